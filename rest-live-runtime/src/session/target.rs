//! Resolves the model and the group that a request names.

use serde_json::{Map, Value};

use crate::{
    data::{group_id::GroupId, key::PK},
    limits::Limits,
    model::registry::{GroupEntry, ModelEntry, Registry},
    protocol::{
        code::ErrorCode,
        refusal::{Refusal, quoted},
        request::{GroupSelector, Target},
    },
};

/// The group that a request names, with its entries in the registry.
pub(super) struct ResolvedTarget<'r> {
    pub(super) model: &'r ModelEntry,
    pub(super) entry: &'r GroupEntry,
    pub(super) group: GroupId,
}

impl<'r> ResolvedTarget<'r> {
    /// Looks a target up in the registry.
    ///
    /// # Errors
    /// A refusal that names the part of the target that is wrong, and what the client can write
    /// instead.
    pub(super) fn new(
        registry: &'r Registry,
        limits: &Limits,
        target: Target,
    ) -> Result<Self, Refusal> {
        let Some(model) = registry.model_by_label(&target.model) else {
            let (label, labels) = (quoted(&target.model), registry.labels());
            return Err(Refusal::new(
                ErrorCode::UnknownModel,
                format!("there is no model {label}; the models are: {labels}"),
            ));
        };
        let (entry, value) = match target.group {
            GroupSelector::Key(key, value) => (by_key(model, &key)?, value),
            GroupSelector::AmongKwargs(kwargs) => by_kwargs(model, kwargs)?,
        };
        let (key, label) = (entry.key, &model.label);
        let value = entry.kind.read(&value).map_err(|expected| {
            let null = if value.is_null() {
                "no group has the value null: "
            } else {
                ""
            };
            Refusal::new(
                ErrorCode::BadValue,
                format!("{null}`{key}` of {label} must be {expected}"),
            )
        })?;
        let max_bytes = limits.max_key_bytes;
        if value.text_bytes() > max_bytes {
            return Err(Refusal::new(
                ErrorCode::BadValue,
                format!("`{key}` of {label} must have at most {max_bytes} bytes"),
            ));
        }
        Ok(Self {
            model,
            entry,
            group: entry.group_id(value, None),
        })
    }
}

fn by_key<'m>(model: &'m ModelEntry, key: &str) -> Result<&'m GroupEntry, Refusal> {
    model.group(key).ok_or_else(|| {
        let (key, label, keys) = (quoted(key), &model.label, model.key_names());
        Refusal::new(
            ErrorCode::UnknownGroupKey,
            format!("{label} has no key {key}; its keys are: {keys}"),
        )
    })
}

/// Returns the only group key among the arguments of a view. Other arguments are ignored: a nested
/// route also has the keys of the outer routes. The primary key is not a group key here: it belongs
/// to `retrieve`.
fn by_kwargs(
    model: &ModelEntry,
    kwargs: Map<String, Value>,
) -> Result<(&GroupEntry, Value), Refusal> {
    let mut found = kwargs
        .into_iter()
        .filter(|(key, _)| key != PK)
        .filter_map(|(key, value)| Some((model.group(&key)?, value)));
    match (found.next(), found.next()) {
        (Some(found), None) => Ok(found),
        (first, _) => {
            let count = if first.is_none() { "none" } else { "several" };
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
