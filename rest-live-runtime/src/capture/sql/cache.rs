//! What a statement's text says of what it writes: the same each time, so that a text is read once. An application
//! has few of them, and sends them again and again.

use std::{fmt, sync::Arc};

use hashlink::LruCache;
use parking_lot::Mutex;
use sea_orm::DbBackend;

use super::{Dml, Verb, effect};
use crate::model::registry::Registry;

/// What a text says that SeaQuery built.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    /// It writes one subscribed table.
    Table(Arc<OfTable>),
    /// Anything else, read as if anybody had written it.
    Text(Arc<OfText>),
}

/// A write of one subscribed table. Models are given by their places in the registry.
#[derive(Debug)]
pub(crate) struct OfTable {
    pub(crate) verb: Verb,
    /// The models of the table, and whether the row before must be known to tell of it.
    pub(crate) models: Vec<(usize, bool)>,
    /// It is an insert that leaves a row as it is which is there already.
    pub(crate) may_do_nothing: bool,
    /// The text that returns whole rows; `None` where these cannot be told from what else it returns.
    pub(crate) returning: Option<String>,
}

/// What anybody may have written: perhaps several statements.
#[derive(Debug)]
pub(crate) struct OfText {
    /// The models whose tables it may write.
    pub(crate) models: Vec<usize>,
    pub(crate) is_one: bool,
    /// The rows that it says it affected are all that it wrote.
    pub(crate) counts: bool,
    /// It begins or ends a transaction or savepoint.
    pub(crate) transaction: bool,
}

/// The texts that were read last.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    built: Texts<Reading>,
    written: Texts<Arc<OfText>>,
}

struct Texts<T>(Mutex<LruCache<Box<str>, T>>);

/// So many texts of each kind are remembered; of a connection, sqlx prepares 100.
const MOST: usize = 256;

/// A longer text is read each time. It has rows by the dozen, and hardly ever comes twice.
const LONGEST: usize = 2048;

impl Readings {
    /// Reads a text that SeaQuery built.
    pub(crate) fn of_built(&self, sql: &str, registry: &Registry, backend: DbBackend) -> Reading {
        self.built.get(sql, || {
            let of_table = OfTable::read(sql, registry, backend);
            // Without one it is another's table, or one that somebody names in another way than SeaORM.
            of_table.map_or_else(
                || Reading::Text(Arc::new(OfText::read(sql, registry, backend))),
                |of_table| Reading::Table(Arc::new(of_table)),
            )
        })
    }

    /// Reads a text that anybody may have written.
    pub(crate) fn of_text(
        &self,
        sql: &str,
        registry: &Registry,
        backend: DbBackend,
    ) -> Arc<OfText> {
        let read = || Arc::new(OfText::read(sql, registry, backend));
        self.written.get(sql, read)
    }
}

impl<T: Clone> Texts<T> {
    fn get(&self, sql: &str, read: impl FnOnce() -> T) -> T {
        if sql.len() > LONGEST {
            return read();
        }
        let texts = || self.0.lock();
        if let Some(known) = texts().get(sql) {
            return known.clone();
        }
        let known = read();
        texts().insert(sql.into(), known.clone());
        known
    }
}

impl OfTable {
    fn read(sql: &str, registry: &Registry, backend: DbBackend) -> Option<Self> {
        let dml = Dml::read(sql, backend)?;
        // Tables of one name in several schemas have different columns.
        let is_it = |place: &&usize| {
            let table = &registry.model(**place).table;
            table.name == dml.table && table.is_in(dml.schema)
        };
        let models: Vec<_> = registry
            .models_of_table(dml.table)
            .iter()
            .filter(is_it)
            .map(|place| {
                let sets = &dml.sets;
                let needs_old = dml.verb == Verb::Update && registry.model(*place).needs_old(sets);
                (*place, needs_old)
            })
            .collect();
        (!models.is_empty()).then(|| Self {
            verb: dml.verb,
            returning: returning(
                sql,
                &dml,
                &columns(registry, &models, backend),
                models.len(),
            ),
            models,
            may_do_nothing: dml.may_do_nothing,
        })
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.models.iter().map(|(place, _)| *place)
    }
}

/// Returns the columns of all models of one table.
fn columns<'r>(
    registry: &'r Registry,
    models: &[(usize, bool)],
    backend: DbBackend,
) -> Vec<&'r str> {
    let mut columns: Vec<&str> = Vec::new();
    for (place, _) in models {
        for column in registry.model(*place).table.returning_columns(backend) {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
    }
    columns
}

/// Has a text return the whole rows.
fn returning(sql: &str, dml: &Dml<'_>, columns: &[&str], models: usize) -> Option<String> {
    // Two models of one table may read a column in two ways, under one name.
    if models > 1 && columns.iter().any(|column| column.contains('(')) {
        return None;
    }
    // What else it returns might be called as a column is.
    if !dml.returning.iter().all(|piece| columns.contains(piece)) {
        return None;
    }
    let missing = columns.iter().filter(|c| !dml.returning.contains(*c));
    let missing = missing.copied().collect::<Vec<_>>().join(", ");
    Some(match (missing.is_empty(), dml.returning.is_empty()) {
        (true, _) => sql.to_owned(),
        (false, true) => format!("{sql} RETURNING {missing}"),
        (false, false) => format!("{sql}, {missing}"),
    })
}

impl OfText {
    fn read(sql: &str, registry: &Registry, backend: DbBackend) -> Self {
        let is_one = !sql.trim_end().trim_end_matches(';').contains(';');
        let effect = effect(sql, backend);
        let mut models: Vec<usize> = if effect.anything {
            registry.captured_models().collect()
        } else {
            let tables = effect.tables.iter();
            let places = tables.flat_map(|table| registry.models_of_table(table));
            places.copied().collect()
        };
        models.sort_unstable();
        models.dedup();
        Self {
            models,
            is_one,
            counts: is_one && is_counted(sql),
            transaction: effect.transaction,
        }
    }
}

/// Returns whether the database counts the rows that a statement writes: not those of `truncate`, nor those that
/// a statement in `with` writes.
fn is_counted(sql: &str) -> bool {
    let verb = sql.split_whitespace().next().unwrap_or_default();
    let counted = ["insert", "update", "delete", "replace"];
    counted.iter().any(|word| verb.eq_ignore_ascii_case(word))
}

impl<T> Default for Texts<T> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl<T> fmt::Debug for Texts<T> {
    // The texts stay out: what somebody writes by hand may hold what a log must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Texts(..)")
    }
}
