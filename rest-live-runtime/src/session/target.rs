//! Resolves the model and the group that a request names.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::{
    data::{
        group_id::GroupId,
        key::{KeyKind, KeyValue, PK},
        scope::Scope,
    },
    limits::Limits,
    model::registry::{GroupEntry, ModelEntry, Registry},
    protocol::{
        code::ErrorCode,
        dialect::Dialect,
        refusal::{Refusal, quoted},
        request::{GroupSelector, RequestedKey, Target},
    },
};

/// Maximum number of a request's keys that an error lists.
const MAX_LISTED_KEYS: usize = 4;

/// The group that a request names, with its entries in the registry.
pub(super) struct ResolvedTarget<'r> {
    pub(super) model: &'r ModelEntry,
    pub(super) entry: &'r GroupEntry,
    pub(super) group: GroupId,
}

impl<'r> ResolvedTarget<'r> {
    /// Looks a target up in the registry. The group is the one of a scope, unless all scopes share
    /// the model.
    ///
    /// # Errors
    /// A refusal that names the part of the target that is wrong, and what the client can write
    /// instead.
    pub(super) fn new(
        registry: &'r Registry,
        limits: &Limits,
        scope: Option<&Scope>,
        dialect: Dialect,
        target: Target,
    ) -> Result<Self, Refusal> {
        let Some(model) = registry.model_by_label(&target.model) else {
            return Err(unknown_model(registry, dialect, &target));
        };
        let (entry, keys) = match target.group {
            GroupSelector::Keys(keys) => (by_keys(model, dialect, &keys)?, keys),
            GroupSelector::AmongKwargs(kwargs) => by_kwargs(model, kwargs)?,
        };
        let value = read_value(model, entry, keys)?;
        let max_bytes = limits.max_key_bytes;
        if value.text_bytes() > max_bytes {
            let (keys, label) = (quoted_names(entry), &model.label);
            let together = if entry.names.len() > 1 {
                " together"
            } else {
                ""
            };
            return Err(Refusal::new(
                ErrorCode::BadValue,
                format!("{keys} of {label} must have at most {max_bytes} bytes{together}"),
            ));
        }
        Ok(Self {
            model,
            entry,
            group: entry.group_id(value, scope.filter(|_| !model.is_shared())),
        })
    }
}

fn unknown_model(registry: &Registry, dialect: Dialect, target: &Target) -> Refusal {
    if let GroupSelector::Keys(keys) = &target.group
        && keys.len() != 1
        && dialect == Dialect::Plain
    {
        // The plain dialect is frozen: such a message was no request.
        return dialect.not_one_key(keys);
    }
    let (label, labels) = (quoted(&target.model), registry.labels());
    Refusal::new(
        ErrorCode::UnknownModel,
        format!("there is no model {label}; the models are: {labels}"),
    )
}

fn by_keys<'m>(
    model: &'m ModelEntry,
    dialect: Dialect,
    requested: &[RequestedKey],
) -> Result<&'m GroupEntry, Refusal> {
    let names = requested.iter().map(|(name, _)| &**name);
    if let Some(group) = model.group(&names) {
        return Ok(group);
    }
    let names: Vec<_> = names.collect();
    let (label, keys) = (&model.label, model.key_names());
    let message = match names[..] {
        [key] => format!("{label} has no key {}; its keys are: {keys}", quoted(key)),
        [] => return Err(dialect.not_one_key(requested)),
        _ if !model.has_other_than_single_keys() => return Err(dialect.not_one_key(requested)),
        _ => {
            let listed: Vec<_> = names
                .iter()
                .take(MAX_LISTED_KEYS)
                .map(|n| quoted(n))
                .collect();
            let more = if names.len() > MAX_LISTED_KEYS {
                ", …"
            } else {
                ""
            };
            let listed = listed.join(", ");
            format!("{label} has no group with the keys {listed}{more}; its keys are: {keys}")
        }
    };
    Err(Refusal::new(ErrorCode::UnknownGroupKey, message))
}

/// Returns the group all of whose keys are among the arguments of a view: the one with the most
/// keys. Other arguments are ignored: a nested route also has the keys of the outer routes. The
/// primary key is not a group key here: it belongs to `retrieve`.
fn by_kwargs(
    model: &ModelEntry,
    kwargs: Map<String, Value>,
) -> Result<(&GroupEntry, Vec<RequestedKey>), Refusal> {
    let mut found: Option<&GroupEntry> = None;
    let mut is_ambiguous = false;
    for group in &model.groups {
        if group
            .names
            .iter()
            .any(|name| *name == PK || !kwargs.contains_key(*name))
        {
            continue;
        }
        match found.map_or(Ordering::Greater, |found| {
            group.names.len().cmp(&found.names.len())
        }) {
            Ordering::Greater => (found, is_ambiguous) = (Some(group), false),
            Ordering::Equal => is_ambiguous = true,
            Ordering::Less => {}
        }
    }
    match found {
        Some(group) if !is_ambiguous => {
            let keys = kwargs.into_iter().map(|(name, value)| (name, Ok(value)));
            Ok((group, keys.collect()))
        }
        found => {
            let count = if found.is_none() { "none" } else { "several" };
            let (label, keys) = (&model.label, model.key_names());
            Err(Refusal::new(
                ErrorCode::UnknownViewKwargs,
                format!(
                    "`view_kwargs` must contain exactly one group key of {label} ({keys}), but contain {count}"
                ),
            ))
        }
    }
}

/// Reads the values of a group's keys.
///
/// # Errors
/// A refusal that names the first key whose value is wrong.
fn read_value(
    model: &ModelEntry,
    entry: &GroupEntry,
    mut requested: Vec<RequestedKey>,
) -> Result<KeyValue, Refusal> {
    let mut read = |name: &str, kind: &KeyKind| {
        let index = requested.iter().position(|(key, _)| key == name);
        // The group was found by its names.
        let value = match index {
            Some(index) => requested.swap_remove(index).1?,
            None => Value::Null,
        };
        kind.read(&value).map_err(|expected| {
            let null = if value.is_null() {
                "no group has the value null: "
            } else {
                ""
            };
            let label = &model.label;
            Refusal::new(
                ErrorCode::BadValue,
                format!("{null}`{name}` of {label} must be {expected}"),
            )
        })
    };
    if let [name] = entry.names[..] {
        return read(name, &entry.kind);
    }
    let values = entry.keys().map(|(name, kind)| read(name, kind));
    values.collect::<Result<_, _>>().map(KeyValue::Composite)
}

/// Returns the names of a group's keys for a message: `` `course_id` and `queue_id` ``.
fn quoted_names(entry: &GroupEntry) -> String {
    let names = entry.names.iter().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(" and ")
}
