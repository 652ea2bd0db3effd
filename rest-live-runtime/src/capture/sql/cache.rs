//! What the text of a statement says about its writes, and a cache of it.
//!
//! An application has few texts and sends them again and again, so each text is analyzed once.
//! [`Database`](crate::capture::Database) owns the cache; plans use the result.

use std::{fmt, sync::Arc};

use hashlink::LruCache;
use parking_lot::Mutex;
use sea_orm::DbBackend;

use super::{
    dml::{Dml, Verb},
    effect::Effect,
    old_rows::OldRowsQuery,
    schema_switch::{SchemaSwitch, may_call_set_config},
    settings::SettingChanges,
};
use crate::model::registry::Registry;

/// Maximum number of texts of each kind that are cached. (sqlx prepares 100 on a connection.)
const MAX_CACHED_TEXTS: usize = 256;

/// Maximum length of a cached text, in bytes. A longer text writes dozens of rows and is rarely
/// sent twice, so it is analyzed each time.
const MAX_CACHED_TEXT_BYTES: usize = 2048;

/// The analysis of a text that SeaQuery built.
#[derive(Clone, Debug)]
pub(crate) enum Analysis {
    /// The text writes one subscribed table.
    Table(Arc<TableAnalysis>),
    /// Any other text, analyzed as raw SQL.
    Raw(Arc<RawAnalysis>),
}

/// The analysis of a write of one subscribed table.
#[derive(Debug)]
pub(crate) struct TableAnalysis {
    pub(crate) verb: Verb,
    /// The models of the table.
    pub(crate) models: Vec<TableModel>,
    /// Whether it is an insert that leaves rows that already exist unchanged.
    pub(crate) skips_existing_rows: bool,
    /// The text changed to return whole rows. `None` if their columns could be confused with
    /// something else that the text returns.
    pub(crate) returning: Option<String>,
    /// The query of the rows before the write. `None` if no model needs them, or if the text does
    /// not surely name the same rows in two statements.
    pub(crate) old_rows: Option<OldRowsQuery>,
    /// What the changed text reads that the original one does not.
    pub(crate) added_reading: AddedReading,
}

/// What a text reads in addition because it returns whole rows. PostgreSQL may not allow the role
/// to read it, although it may write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddedReading {
    None,
    /// Columns of rows that the original text reads also.
    Columns,
    /// Columns, and rows that the original text only writes. Row security lets a role write rows
    /// that it may not read.
    Rows,
}

/// One model of a table that a statement writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableModel {
    /// The model's index in the registry.
    pub(crate) index: usize,
    /// Whether an event of this model needs the row as it was before the write.
    pub(crate) needs_old: bool,
}

/// The analysis of raw SQL, which may hold several statements.
#[derive(Debug)]
pub(crate) struct RawAnalysis {
    /// Indices in the registry of the models whose tables the text may write.
    pub(crate) models: Vec<usize>,
    /// Whether the text is a single statement.
    pub(crate) is_single: bool,
    /// Whether the number of affected rows covers all rows that the text writes.
    pub(crate) counts_all_rows: bool,
    /// Whether the text begins or ends a transaction or savepoint.
    pub(crate) controls_transaction: bool,
    /// How the text switches the schema of unqualified tables.
    pub(crate) switch: Option<SchemaSwitch>,
    /// The settings that the text changes past the end of the transaction.
    pub(crate) settings: SettingChanges,
    /// Whether unqualified names may stand for other tables after the text, although the text
    /// switches no schema.
    pub(crate) may_change_tables: bool,
}

/// The analyses of the texts that were sent last.
#[derive(Debug, Default)]
pub(crate) struct AnalysisCache {
    built: TextCache<Analysis>,
    raw: TextCache<Arc<RawAnalysis>>,
}

struct TextCache<T>(Mutex<LruCache<Box<str>, T>>);

impl AnalysisCache {
    /// Returns the analysis of a text that SeaQuery built.
    pub(crate) fn analyze_built(
        &self,
        sql: &str,
        registry: &Registry,
        backend: DbBackend,
    ) -> Analysis {
        self.built.get_or_insert_with(sql, || {
            // `None` if no model has the table, or if the text does not name it as SeaORM does.
            TableAnalysis::new(sql, registry, backend).map_or_else(
                || Analysis::Raw(Arc::new(RawAnalysis::new(sql, registry, backend))),
                |table| Analysis::Table(Arc::new(table)),
            )
        })
    }

    /// Returns the analysis of raw SQL.
    pub(crate) fn analyze_raw(
        &self,
        sql: &str,
        registry: &Registry,
        backend: DbBackend,
    ) -> Arc<RawAnalysis> {
        let analyze = || Arc::new(RawAnalysis::new(sql, registry, backend));
        self.raw.get_or_insert_with(sql, analyze)
    }
}

impl<T: Clone> TextCache<T> {
    fn get_or_insert_with(&self, sql: &str, analyze: impl FnOnce() -> T) -> T {
        if sql.len() > MAX_CACHED_TEXT_BYTES {
            return analyze();
        }
        if let Some(analysis) = self.0.lock().get(sql) {
            return analysis.clone();
        }
        // Without the lock: other statements do not wait for this one.
        let analysis = analyze();
        self.0.lock().insert(sql.into(), analysis.clone());
        analysis
    }
}

impl TableAnalysis {
    fn new(sql: &str, registry: &Registry, backend: DbBackend) -> Option<Self> {
        let dml = Dml::parse(sql, backend).filter(|_| !may_call_set_config(sql))?;
        // Tables with the same name in several schemas have different columns.
        let is_table = |index: &&usize| {
            let table = &registry.model(**index).table;
            table.name == dml.table && table.is_in(dml.schema)
        };
        let models: Vec<_> = registry
            .models_of_table(dml.table)
            .iter()
            .filter(is_table)
            .map(|index| TableModel {
                index: *index,
                needs_old: dml.verb == Verb::Update
                    && registry.model(*index).needs_old(&dml.set_columns),
            })
            .collect();
        (!models.is_empty()).then(|| {
            let columns = all_columns(registry, &models, backend);
            let returning = returning_text(sql, &dml, &columns, models.len());
            let needs_old = models.iter().any(|model| model.needs_old);
            let is_paired = needs_old && returning.is_some() && !sets_key(&dml, registry, &models);
            let old_columns = is_paired.then(|| column_list(&columns, &[]));
            let adds_columns = returning.as_deref().is_some_and(|changed| changed != sql);
            Self {
                verb: dml.verb,
                old_rows: old_columns.and_then(|columns| OldRowsQuery::new(sql, &columns, backend)),
                returning,
                models,
                skips_existing_rows: dml.skips_existing_rows,
                added_reading: AddedReading::of(&dml, adds_columns, backend),
            }
        })
    }

    /// Returns whether the event of each model needs the row as it was before the write.
    pub(crate) fn needs_old_everywhere(&self) -> bool {
        self.models.iter().all(|model| model.needs_old)
    }

    /// Returns the indices of the table's models in the registry.
    pub(crate) fn model_indices(&self) -> impl Iterator<Item = usize> {
        self.models.iter().map(|model| model.index)
    }
}

impl AddedReading {
    fn of(dml: &Dml<'_>, adds_columns: bool, backend: DbBackend) -> Self {
        let returns_rows = !dml.returning.is_empty();
        if backend != DbBackend::Postgres || !adds_columns {
            Self::None
        } else if !returns_rows && (dml.verb == Verb::Insert || !dml.is_filtered) {
            Self::Rows
        } else {
            Self::Columns
        }
    }
}

/// Returns the columns of all models of one table. A column has a constant only if all models that
/// have the column can do without it.
fn all_columns<'r>(
    registry: &'r Registry,
    models: &[TableModel],
    backend: DbBackend,
) -> Vec<(&'r str, Option<&'r str>)> {
    let mut columns: Vec<(&str, Option<&str>)> = Vec::new();
    for model in models {
        for column in registry.model(model.index).table.returned_columns(backend) {
            let (expression, constant) = (&*column.expression, column.constant.as_deref());
            match columns.iter_mut().find(|(known, _)| *known == expression) {
                None => columns.push((expression, constant)),
                Some((_, known)) => *known = known.filter(|known| Some(*known) == constant),
            }
        }
    }
    columns
}

/// Returns the text changed to return whole rows, `None` if that would be ambiguous.
fn returning_text(
    sql: &str,
    dml: &Dml<'_>,
    columns: &[(&str, Option<&str>)],
    model_count: usize,
) -> Option<String> {
    // Two models of one table may read a column in two ways, under one name.
    if model_count > 1 && columns.iter().any(|(column, _)| column.contains('(')) {
        return None;
    }
    // Another expression that the text returns might have the name of a column.
    let is_column = |piece: &&str| columns.iter().any(|(column, _)| column == piece);
    if !dml.returning.iter().all(is_column) {
        return None;
    }
    let missing = column_list(columns, &dml.returning);
    Some(match (missing.is_empty(), dml.returning.is_empty()) {
        (true, _) => sql.to_owned(),
        (false, true) => format!("{sql} RETURNING {missing}"),
        (false, false) => format!("{sql}, {missing}"),
    })
}

/// Returns the list of the columns that are not among `present`, as SQL.
fn column_list(columns: &[(&str, Option<&str>)], present: &[&str]) -> String {
    let missing = columns
        .iter()
        .filter(|(column, _)| !present.contains(column));
    let missing = missing.map(|(column, constant)| constant.unwrap_or(column));
    missing.collect::<Vec<_>>().join(", ")
}

/// Returns whether an update sets a column of a primary key. The row before and the row after it
/// could then not be paired.
fn sets_key(dml: &Dml<'_>, registry: &Registry, models: &[TableModel]) -> bool {
    let is_key = |column: &&str| {
        let mut tables = models
            .iter()
            .map(|model| &registry.model(model.index).table);
        tables.any(|table| table.is_key_column(column))
    };
    dml.set_columns.iter().any(is_key)
}

impl RawAnalysis {
    fn new(sql: &str, registry: &Registry, backend: DbBackend) -> Self {
        let is_single = !sql.trim_end().trim_end_matches(';').contains(';');
        let effect = Effect::scan(sql, backend);
        let mut models: Vec<usize> = if effect.may_write_anything {
            registry.captured_models().collect()
        } else {
            let tables = effect.tables.iter();
            tables
                .flat_map(|table| registry.models_of_table(table))
                .copied()
                .collect()
        };
        models.sort_unstable();
        models.dedup();
        Self {
            models,
            is_single,
            counts_all_rows: is_single && counts_rows(sql),
            controls_transaction: effect.controls_transaction,
            switch: effect.switch,
            settings: effect.settings,
            may_change_tables: effect.may_change_tables,
        }
    }
}

/// Returns whether the database counts the rows that a statement writes. It does not count those
/// of `truncate`, nor those that a statement in `with` writes.
fn counts_rows(sql: &str) -> bool {
    let verb = sql.split_whitespace().next().unwrap_or_default();
    let counted = ["insert", "update", "delete", "replace"];
    counted.iter().any(|word| verb.eq_ignore_ascii_case(word))
}

impl<T> Default for TextCache<T> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_CACHED_TEXTS)))
    }
}

impl<T> fmt::Debug for TextCache<T> {
    // Without the texts: raw SQL may contain values that must not appear in an application log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextCache(..)")
    }
}
