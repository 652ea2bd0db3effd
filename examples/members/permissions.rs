//! The rules: who may see what. The websocket and REST use the same functions.
//!
//! rest-live calls a `check_permission` for each change, with the row before and after it. A
//! `check_permission` must be fast, so it uses the copy in memory (`access.rs`). rest-live calls an
//! `authorize` once for each subscription, and again in `Live::reauthorize`. An `authorize` may
//! query the database.

use sea_orm::{DatabaseConnection, DbErr, EntityTrait};

use crate::{list, membership, task, viewer::Viewer};

pub fn sees_task(viewer: &Viewer, task: &task::Model) -> bool {
    viewer.may_see(task.list_id)
}

pub fn sees_task_signed_in(viewer: &Viewer, task: &task::Model) -> bool {
    viewer.name().is_some() && sees_task(viewer, task)
}

/// Reads `public` from the row, not from memory. So when a list becomes private, the viewers who
/// saw the row before receive `DELETED`.
pub fn sees_list(viewer: &Viewer, list: &list::Model) -> bool {
    list.public || viewer.is_member(list.id)
}

/// Members see each other. A person also sees their own membership begin and end.
pub fn sees_membership(viewer: &Viewer, membership: &membership::Model) -> bool {
    viewer.name() == Some(&membership.name) || viewer.is_member(membership.list_id)
}

/// Returns false for a missing list also, so that the answer does not reveal whether it exists.
pub async fn may_see_list(
    viewer: &Viewer,
    id: i32,
    db: &DatabaseConnection,
) -> Result<bool, DbErr> {
    let list = list::Entity::find_by_id(id).one(db).await?;
    match list {
        Some(list) if list.public => Ok(true),
        Some(_) => is_member(viewer, id, db).await,
        None => Ok(false),
    }
}

pub async fn is_member(viewer: &Viewer, list: i32, db: &DatabaseConnection) -> Result<bool, DbErr> {
    let Some(name) = viewer.name() else {
        return Ok(false);
    };
    let membership = membership::Entity::find_by_id((list, name.to_owned()));
    Ok(membership.one(db).await?.is_some())
}

pub async fn is_own_name(viewer: &Viewer, name: String, _: &DatabaseConnection) -> bool {
    viewer.name() == Some(&name)
}
