//! Decides from a statement's text what is to be done to know what it writes.

use super::{
    Scope,
    sql::{Dml, Verb, effect},
    stash::Announced,
    statement::Call,
};
use crate::registry::Registry;

/// What is to be done about a statement. Models are given by their places in the registry.
#[derive(Debug)]
pub(super) enum Plan {
    /// Nothing: it writes no subscribed table.
    Pass,
    /// It returns the rows that it writes.
    Returned(Returned),
    /// The hooks know the rows that it writes.
    Announced {
        verb: Verb,
        writes: Vec<(usize, Announced)>,
        /// It is an insert that leaves a row as it is which is there already.
        may_do_nothing: bool,
    },
    /// What it writes cannot be known.
    Unknown {
        models: Vec<usize>,
        /// It is one statement: if the database refuses it, it wrote nothing.
        is_one: bool,
        /// The rows that it says it affected are all that it wrote.
        counts: bool,
    },
}

#[derive(Debug)]
pub(super) struct Returned {
    pub(super) verb: Verb,
    /// The models of the table, and whether the row before must be known to tell of it.
    pub(super) models: Vec<(usize, bool)>,
    pub(super) announced: Vec<(usize, Announced)>,
    /// The text that returns whole rows.
    pub(super) sql: String,
}

impl Plan {
    /// Returns the models that the statement may write.
    pub(super) fn models(&self) -> Option<Vec<usize>> {
        match self {
            Self::Pass => Some(Vec::new()),
            Self::Returned(returned) => {
                Some(returned.models.iter().map(|(place, _)| *place).collect())
            }
            Self::Announced { writes, .. } => {
                Some(writes.iter().map(|(place, _)| *place).collect())
            }
            Self::Unknown { models, .. } => Some(models.clone()),
        }
    }
}

/// Plans a statement that SeaQuery built.
pub(super) fn of_built(scope: &Scope, call: &Call) -> Plan {
    let Call {
        statement, writer, ..
    } = call;
    let sql = &*statement.sql;
    if sql.starts_with("SELECT") {
        return Plan::Pass;
    }
    let Some(dml) = Dml::read(sql, scope.database.backend) else {
        return of_text(scope, sql);
    };
    let registry = scope.registry();
    // Tables of one name in several schemas have different columns.
    let is_it = |place: &&usize| {
        let table = &registry.at(**place).table;
        table.name == dml.table && table.is_in(dml.schema)
    };
    let places = registry.of_table(dml.table).iter().filter(is_it);
    let places: Vec<usize> = places.copied().collect();
    if places.is_empty() {
        // Another's table, or one that somebody names in another way than SeaORM.
        return of_text(scope, sql);
    }
    let values = statement.values.as_ref().map_or(&[][..], |v| &v.0);
    let mut announced = Vec::new();
    for place in &places {
        let entity = registry.at(*place).entity;
        let writes = scope.stash.of_statement(*writer, entity, dml.verb, values);
        announced.extend(writes.into_iter().map(|write| (*place, write)));
    }
    let known = match (scope.database.returns(dml.verb), announced.is_empty()) {
        // Of what was announced where not every write returns rows, the hooks know all.
        (true, is_empty) if is_empty || scope.database.returns => {
            returned(scope, &dml, sql, &places, announced)
        }
        (_, true) => None,
        (_, false) => Some(Plan::Announced {
            verb: dml.verb,
            writes: announced,
            may_do_nothing: dml.may_do_nothing,
        }),
    };
    known.unwrap_or_else(|| Plan::Unknown {
        models: places,
        is_one: true,
        counts: true,
    })
}

/// Has a statement return the whole rows, if that tells what it wrote.
fn returned(
    scope: &Scope,
    dml: &Dml<'_>,
    sql: &str,
    places: &[usize],
    announced: Vec<(usize, Announced)>,
) -> Option<Plan> {
    let registry = scope.registry();
    let models: Vec<_> = places
        .iter()
        .map(|place| {
            let needs_old = dml.verb == Verb::Update && registry.at(*place).needs_old(&dml.sets);
            (*place, needs_old)
        })
        .collect();
    if announced.is_empty() && models.iter().all(|(_, needs_old)| *needs_old) {
        return None;
    }
    let columns = columns(scope, registry, places);
    // Two models of one table may read a column in two ways, under one name.
    if places.len() > 1 && columns.iter().any(|column| column.contains('(')) {
        return None;
    }
    // What else it returns might be called as a column is.
    if !dml.returning.iter().all(|piece| columns.contains(piece)) {
        return None;
    }
    let missing = columns.into_iter().filter(|c| !dml.returning.contains(c));
    let missing = missing.collect::<Vec<_>>().join(", ");
    let sql = match (missing.is_empty(), dml.returning.is_empty()) {
        (true, _) => sql.to_owned(),
        (false, true) => format!("{sql} RETURNING {missing}"),
        (false, false) => format!("{sql}, {missing}"),
    };
    Some(Plan::Returned(Returned {
        verb: dml.verb,
        models,
        announced,
        sql,
    }))
}

/// Returns the columns of all models of one table.
fn columns<'r>(scope: &Scope, registry: &'r Registry, places: &[usize]) -> Vec<&'r str> {
    let mut columns: Vec<&str> = Vec::new();
    for place in places {
        for column in registry.at(*place).table.columns(scope.database.backend) {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
    }
    columns
}

/// Plans what anybody may have written.
pub(super) fn of_text(scope: &Scope, sql: &str) -> Plan {
    let registry = scope.registry();
    let is_one = !sql.trim_end().trim_end_matches(';').contains(';');
    let effect = effect(sql, scope.database.backend);
    if effect.transaction {
        // Whatever it says besides: what was written so far may be committed now, or undone.
        scope.tear();
    }
    let mut models: Vec<usize> = if effect.anything {
        (0..registry.len()).collect()
    } else {
        let places = effect
            .tables
            .iter()
            .flat_map(|table| registry.of_table(table));
        places.copied().collect()
    };
    models.sort_unstable();
    models.dedup();
    match models.is_empty() {
        true => Plan::Pass,
        false => Plan::Unknown {
            models,
            is_one,
            counts: is_one && is_counted(sql),
        },
    }
}

/// Returns whether the database counts the rows that a statement writes: not those of `truncate`, nor those that
/// a statement in `with` writes.
fn is_counted(sql: &str) -> bool {
    let verb = sql.split_whitespace().next().unwrap_or_default();
    let counted = ["insert", "update", "delete", "replace"];
    counted.iter().any(|word| verb.eq_ignore_ascii_case(word))
}
