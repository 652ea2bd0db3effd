//! The columns of a model that events keep, and how many bytes a row takes.
//!
//! A text, byte string, JSON or array may be large. If no serializer, key, filter or permission
//! of the model can read such a column, the column is *unused*: capture replaces its value by the
//! default of its type where it takes a row, and no statement of rest-live asks the database for
//! it. All rows of a model are treated alike, so they can be compared.

pub(crate) mod heap;

use std::{any::Any, fmt::Debug, sync::Arc};

use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ColumnType, DbBackend, DbErr, EntityTrait,
    FromQueryResult, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn, QueryFilter,
    QueryResult, QuerySelect, QueryTrait, Select, StatementBuilder, Value,
    sea_query::{ArrayType, Expr, Query, SelectStatement},
};

use self::heap::{array_bytes, value_bytes};
use super::{cast, declaration::ShownField, row_json::takes_vector};
use crate::{
    data::{event::Row, key::KeyValue},
    user_code,
};

/// The fields that one serializer shows: a `&'static [ShownField<Model>]`, type-erased.
pub(crate) type ShownFields = Arc<dyn Any + Send + Sync>;

/// What reads the rows of a model.
pub(crate) struct ColumnUses {
    /// The fields that the serializers show, as far as they are known.
    pub(crate) shown: Vec<ShownFields>,
    /// Whether a serializer, a filter or a permission may read any column.
    pub(crate) reads_all: bool,
    /// The columns of the primary key and of the group keys.
    pub(crate) keys: Vec<&'static str>,
}

/// A column as a write returns it.
pub(crate) struct ReturnedColumn {
    /// As SeaORM writes it after `RETURNING`.
    pub(crate) expression: String,
    /// What stands in for it, under its name, if it is unused: such as `'' AS "body"`.
    pub(crate) constant: Option<String>,
}

impl ReturnedColumn {
    /// Returns what a statement returns if only rest-live reads its rows.
    pub(crate) fn without_unused(&self) -> &str {
        self.constant.as_deref().unwrap_or(&self.expression)
    }
}

/// The columns of one entity, type-erased.
pub(crate) trait Columns: Send + Sync {
    /// Finds the unused columns, when all serializers are known.
    fn restrict(&mut self, uses: &ColumnUses);

    /// Returns the names of the unused columns.
    fn unused(&self) -> Vec<&'static str>;

    /// Decodes a row.
    ///
    /// # Errors
    /// SeaORM's error, if a column is missing or has another type.
    fn decode(&self, result: &QueryResult) -> Result<Row, DbErr>;

    /// Returns the row with its number of bytes. Its unused columns are blank already.
    fn measure(&self, row: Row) -> Row;

    /// Returns all columns, as a write returns them.
    fn returned(&self, backend: DbBackend) -> Vec<ReturnedColumn>;

    /// Returns the statement that reads the row with this primary key.
    fn select(&self, key: &KeyValue) -> SelectStatement;

    fn as_any(&self) -> &dyn Any;
}

/// The columns of an entity.
pub(crate) struct EntityColumns<E: EntityTrait> {
    unused: Vec<UnusedColumn<E>>,
    /// The columns with memory of their own.
    measured: Vec<MeasuredColumn<E>>,
    /// What each row takes apart from these.
    fixed_bytes: usize,
}

struct UnusedColumn<E: EntityTrait> {
    column: E::Column,
    /// The default of its type.
    blank: Value,
    /// The default as SQL, if every database decodes it as a value of the column.
    constant: Option<&'static str>,
}

struct MeasuredColumn<E: EntityTrait> {
    column: E::Column,
    is_array: bool,
    /// Measures the field in place. Otherwise its value is cloned.
    in_place: Option<MeasureFn<E::Model>>,
}

/// Returns how many bytes a field takes on the heap, if its type is known.
type MeasureFn<M> = fn(&M) -> Option<usize>;

impl<E: EntityTrait<Model: Sync>> EntityColumns<E> {
    /// Returns the columns while it is not known what reads them: all are kept.
    pub(crate) fn new() -> Self {
        let mut columns = Self {
            unused: Vec::new(),
            measured: Vec::new(),
            fixed_bytes: 0,
        };
        columns.restrict(&ColumnUses {
            shown: Vec::new(),
            reads_all: true,
            keys: Vec::new(),
        });
        columns
    }

    /// Takes a row: blanks its unused columns, and measures it.
    pub(crate) fn take(&self, mut model: E::Model) -> Row {
        for unused in &self.unused {
            // This cannot fail: `restrict` has tried it.
            _ = model.try_set(unused.column, unused.blank.clone());
        }
        let bytes = self.bytes(&model);
        Row::with_bytes(model, bytes)
    }

    fn bytes(&self, model: &E::Model) -> usize {
        let heap_bytes = |measured: &MeasuredColumn<E>| {
            let in_place = measured.in_place.and_then(|measure| measure(model));
            in_place.unwrap_or_else(|| {
                // Application code, if the column has a type of its own.
                let value = user_code::call(|| model.get(measured.column));
                let bytes = if measured.is_array {
                    array_bytes
                } else {
                    value_bytes
                };
                value.map_or(0, |value| bytes(&value))
            })
        };
        self.fixed_bytes + self.measured.iter().map(heap_bytes).sum::<usize>()
    }

    /// Makes a query of the entity read only the columns that are used.
    pub(crate) fn restrict_select(&self, select: Select<E>) -> Select<E> {
        if self.unused.iter().all(|unused| unused.constant.is_none()) {
            return select;
        }
        let mut select = select.select_only();
        for column in E::Column::iter() {
            select = match self.constant_of(column) {
                Some(constant) => select.expr_as(Expr::cust(constant), column.as_str()),
                None => select.column(column),
            };
        }
        select
    }

    fn constant_of(&self, column: E::Column) -> Option<&'static str> {
        let mut unused = self.unused.iter();
        let unused = unused.find(|unused| unused.column.as_str() == column.as_str())?;
        unused.constant
    }
}

impl<E: EntityTrait<Model: Sync>> Columns for EntityColumns<E> {
    fn restrict(&mut self, uses: &ColumnUses) {
        let fields = shown_fields::<E>(uses);
        let reads_all = uses.reads_all || fields.is_none();
        let fields = fields.unwrap_or_default();
        self.unused.clear();
        self.measured.clear();
        self.fixed_bytes = size_of::<E::Model>();
        for column in E::Column::iter() {
            let default = default_value::<E>(column);
            let kind = heap_kind::<E>(column, default.as_ref());
            match kind {
                HeapKind::None => continue,
                HeapKind::Fixed(bytes) => {
                    self.fixed_bytes += bytes;
                    continue;
                }
                HeapKind::Any | HeapKind::Array => {}
            }
            let mut fields = fields.iter();
            let field = fields.find(|field| may_be_field(column, field.name));
            let is_read = reads_all || field.is_some() || uses.keys.contains(&column.as_str());
            match default.filter(|blank| !is_read && accepts::<E>(column, blank)) {
                Some(blank) => self.unused.push(UnusedColumn {
                    column,
                    constant: constant(&blank),
                    blank,
                }),
                None => self.measured.push(MeasuredColumn {
                    column,
                    is_array: matches!(kind, HeapKind::Array),
                    in_place: field.map(|field| field.heap_bytes),
                }),
            }
        }
    }

    fn unused(&self) -> Vec<&'static str> {
        let unused = self.unused.iter();
        unused.map(|unused| unused.column.as_str()).collect()
    }

    fn decode(&self, result: &QueryResult) -> Result<Row, DbErr> {
        E::Model::from_query_result(result, "").map(|model| self.take(model))
    }

    fn measure(&self, row: Row) -> Row {
        match row.downcast::<E::Model>().map(|model| self.bytes(model)) {
            Some(bytes) => row.measured(bytes),
            None => row,
        }
    }

    fn returned(&self, backend: DbBackend) -> Vec<ReturnedColumn> {
        let columns = E::Column::iter().filter_map(|column| {
            let expression = returning_expression::<E>(column, backend)?;
            let name = cast::quoted_name(&column, backend);
            let constant = self.constant_of(column);
            Some(ReturnedColumn {
                constant: constant.map(|constant| format!("{constant} AS {name}")),
                expression,
            })
        });
        columns.collect()
    }

    fn select(&self, key: &KeyValue) -> SelectStatement {
        let mut select = self.restrict_select(E::find());
        let columns = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
        for (column, value) in columns.zip(key.parts()) {
            let value = value.to_column(&E::Model::get_value_type(column));
            select = select.filter(column.eq(value));
        }
        select.into_query()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Returns the default of a column's type.
pub(crate) fn default_value<E: EntityTrait>(column: E::Column) -> Option<Value> {
    match E::ActiveModel::default_values().get(column) {
        ActiveValue::Set(value) | ActiveValue::Unchanged(value) => Some(value),
        ActiveValue::NotSet => None,
    }
}

/// Returns the fields that serializers show, `None` if it is not known which columns these are.
fn shown_fields<E: EntityTrait>(uses: &ColumnUses) -> Option<Vec<&ShownField<E::Model>>> {
    let mut fields = Vec::new();
    for shown in &uses.shown {
        let shown = shown.downcast_ref::<&'static [ShownField<E::Model>]>()?;
        fields.extend(shown.iter());
    }
    // A field that is not found among the columns has another name than SeaORM gives it: it could
    // be any of them.
    let is_column = |field: &&ShownField<E::Model>| {
        E::Column::iter().any(|column| may_be_field(column, field.name))
    };
    fields.iter().all(is_column).then_some(fields)
}

/// Returns whether a column may belong to the field of the model with this name. SeaORM derives
/// three names from the field's name, and an attribute of the model can change each.
fn may_be_field(column: impl ColumnTrait, field: &str) -> bool {
    let field = simplified(field);
    let variant: &dyn Debug = &column;
    [column.as_str(), column.json_key(), &format!("{variant:?}")]
        .into_iter()
        .any(|name| simplified(name) == field)
}

/// Returns a name without underscores, in lowercase.
fn simplified(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// The memory that a column's values have of their own.
enum HeapKind {
    None,
    /// Always this number of bytes.
    Fixed(usize),
    Any,
    /// The same, of an array.
    Array,
}

fn heap_kind<E: EntityTrait>(column: E::Column, default: Option<&Value>) -> HeapKind {
    // An array may be declared as a custom type. Its variant exists only with a feature.
    let is_array = |default: &Value| format!("{default:?}").starts_with("Array(");
    let def = column.def();
    match def.get_column_type() {
        ColumnType::Array(_) => return HeapKind::Array,
        ColumnType::Vector(dimensions) => {
            return HeapKind::Fixed(dimensions.unwrap_or_default() as usize * size_of::<f32>());
        }
        _ if default.is_some_and(is_array) => return HeapKind::Array,
        _ => {}
    }
    if takes_vector::<E>(column) {
        return HeapKind::None;
    }
    // Application code, if the column has a type of its own.
    match user_code::call(|| <E::Model as ModelTrait>::get_value_type(column)) {
        Ok(ArrayType::String | ArrayType::Bytes | ArrayType::Json) => HeapKind::Any,
        Ok(_) | Err(_) => HeapKind::None,
    }
}

/// Returns whether a column can be set to this value.
fn accepts<E: EntityTrait>(column: E::Column, value: &Value) -> bool {
    let mut model = <E::ActiveModel as ActiveModelTrait>::default();
    let set = user_code::call(|| model.try_set(column, value.clone()));
    matches!(set, Ok(Ok(())))
}

/// Returns a default as SQL.
fn constant(default: &Value) -> Option<&'static str> {
    match default {
        null if *null == null.as_null() => Some("NULL"),
        Value::String(Some(text)) if text.is_empty() => Some("''"),
        _ => None,
    }
}

/// Returns a column as SeaORM writes it after `RETURNING`.
fn returning_expression<E: EntityTrait>(column: E::Column, backend: DbBackend) -> Option<String> {
    if backend == DbBackend::MySql {
        return Some(cast::returned_by_mariadb(&column));
    }
    let mut statement = Query::delete();
    statement.from_table(E::default().table_ref());
    let expression = column.select_as(column.into_returning_expr(backend));
    statement.returning(Query::returning().exprs([expression]));
    let sql = StatementBuilder::build(&statement, &backend).sql;
    let (_, text) = sql.split_once(" RETURNING ")?;
    Some(cast::named(&column, text, backend))
}

#[cfg(test)]
mod tests;
