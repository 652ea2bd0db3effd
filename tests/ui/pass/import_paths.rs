//! Attributes under any path or name of the macro form one stack.

#[path = "../entities.rs"]
mod entities;

use entities::task;
use rest_live::{__private::GroupKey, Subscribable, subscribable, subscribable as live_row};
use serde::Serialize;

#[rest_live::subscribable(entity = task::Entity)]
#[::rest_live::subscribable(group_key = "list_id")]
#[derive(Serialize)]
struct Rooted {
    id: i32,
}

#[live_row(hooks = false)]
#[live_row(group_key = "list_id")]
#[derive(Serialize)]
#[live_row(entity = task::Entity, group_key = "done")]
struct Aliased {
    id: i32,
}

#[subscribable(hooks = false)]
#[live_row(group_key = "list_id")]
#[derive(Serialize)]
#[subscribable(entity = task::Entity, group_key = "done")]
#[rest_live::subscribable(group_key = "text")]
struct Mixed {
    id: i32,
}

#[live_row(hooks = false)]
#[subscribable(entity = task::Entity, group_key = "list_id")]
#[derive(Serialize)]
struct MixedTheOtherWay {
    id: i32,
}

#[subscribable(entity = task::Entity, hooks = false)]
#[cfg_attr(all(), subscribable(group_key = "list_id"))]
#[cfg_attr(any(), subscribable(group_key = "done"))]
#[derive(Serialize)]
struct Conditional {
    id: i32,
}

#[cfg_attr(all(), subscribable(entity = task::Entity, hooks = false))]
#[derive(Serialize)]
struct OnlyConditional {
    id: i32,
}

fn keys<S: Subscribable>() -> Vec<&'static str> {
    let groups = S::DECLARATION.groups.iter();
    let mut keys: Vec<_> = groups
        .map(|group| match &group.group_key {
            GroupKey::PrimaryKey { .. } => "pk",
            GroupKey::Columns(columns) => columns[0].name,
        })
        .collect();
    keys.sort_unstable();
    keys
}

fn main() {
    assert_eq!(keys::<Rooted>(), ["list_id", "pk"]);
    assert_eq!(keys::<Aliased>(), ["done", "list_id", "pk"]);
    assert_eq!(keys::<Mixed>(), ["done", "list_id", "pk", "text"]);
    assert_eq!(keys::<MixedTheOtherWay>(), ["list_id", "pk"]);
    assert_eq!(keys::<Conditional>(), ["list_id", "pk"]);
    assert_eq!(keys::<OnlyConditional>(), ["pk"]);
}
