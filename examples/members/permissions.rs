//! Who may see what: one set of rules, for the websocket and for REST.
//!
//! A `check_permission` is asked about every change, of the row before and after it; it only looks into
//! memory (`access.rs`). An `authorize` is asked once a subscription, and by `Live::reauthorize`.

use sea_orm::{DatabaseConnection, DbErr, EntityTrait};

use crate::{list, membership, task, viewer::Viewer};

pub fn sees_task(viewer: &Viewer, task: &task::Model) -> bool {
    viewer.may_see(task.list_id)
}

pub fn sees_task_signed_in(viewer: &Viewer, task: &task::Model) -> bool {
    viewer.name().is_some() && sees_task(viewer, task)
}

/// Whether a list is public is in the row. So when it changes, who saw it before is told `DELETED`.
pub fn sees_list(viewer: &Viewer, list: &list::Model) -> bool {
    list.public || viewer.is_member(list.id)
}

/// Members see each other; who is let in or removed hears of it.
pub fn sees_membership(viewer: &Viewer, membership: &membership::Model) -> bool {
    viewer.name() == Some(&membership.name) || viewer.is_member(membership.list_id)
}

/// No for a list that does not exist, too: whether it does is nobody's business.
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
