//! Attribute macros and derives of other crates before, between and after `#[subscribable]`.

#[path = "../entities.rs"]
mod entities;

use entities::task;
use pin_project::pin_project;
use rest_live::{Subscribable, subscribable};
use serde::Serialize;
use thiserror::Error;

#[pin_project]
#[subscribable(entity = task::Entity)]
#[derive(Debug, Serialize)]
#[subscribable(group_key = "list_id")]
struct After {
    id: i32,
    #[pin]
    text: String,
}

#[subscribable(entity = task::Entity, hooks = false)]
#[pin_project]
#[derive(Debug, Serialize, Error)]
#[subscribable(group_key = "list_id")]
#[error("{text}")]
struct Before {
    id: i32,
    #[pin]
    text: String,
}

/// Documented.
#[subscribable(entity = task::Entity, hooks = false)]
#[allow(clippy::all)]
#[rustfmt::skip]
#[derive(Serialize)]
#[must_use]
struct Inert {
    id: i32,
}

#[subscribable(entity = task::Entity, hooks = false)]
#[cfg(all())]
#[derive(Serialize)]
struct Present {
    id: i32,
}

#[subscribable(entity = task::Entity)]
#[cfg(any())]
#[derive(Serialize)]
struct Absent {
    id: i32,
}

fn main() {
    assert_eq!(After::DECLARATION.groups.len(), 2);
    assert_eq!(Before::DECLARATION.groups.len(), 2);
    assert_eq!(Inert::DECLARATION.groups.len(), 1);
    assert_eq!(Present::DECLARATION.groups.len(), 1);

    let before = Before::from(&task::Model {
        id: 1,
        text: "milk".to_owned(),
        done: false,
        list_id: 2,
    });
    assert_eq!(before.to_string(), "milk");
}
