//! `/api/lists`.

use rest_live::LiveTransaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    ModelTrait, QueryFilter, QueryOrder, sea_query::LockType,
};
use serde::Deserialize;
use serde_json::json;
use warp::{
    Filter, Reply, delete, filters::BoxedFilter, get, http::StatusCode, hyper::body::Bytes, patch,
    path, post, reply::json,
};

use super::{App, ChangeRequest, Request, change_request, request, sign_in_first, uninterrupted};
use crate::{
    list, membership, permissions,
    serializers::{ListSerializer, TaskView, TodoListSerializer},
    shared::rest::{ApiError, ApiResult, begin, body, check_text, created, find, lock, parse},
    task,
    viewer::Viewer,
};

pub fn routes(app: &App) -> BoxedFilter<(impl Reply + use<>,)> {
    let lists = path!("api" / "lists");
    let list = path!("api" / "lists" / i32);
    let list_move = path!("api" / "lists" / i32 / "move");
    let (request, change) = (request(app), change_request(app));
    (lists.and(get()).and(request.clone()).then(index))
        .or((lists.and(post()).and(body()).and(change.clone()))
            .then(|body, change| uninterrupted(create(body, change))))
        .or(list.and(get()).and(request.clone()).then(show))
        .or((list.and(patch()).and(body()).and(change))
            .then(|id, body, change| uninterrupted(alter(id, body, change))))
        .or(list.and(delete()).and(request.clone()).then(remove))
        .or((list_move.and(post()).and(body()).and(request)).then(move_tasks))
        .boxed()
}

async fn index(request: Request) -> ApiResult<impl Reply> {
    let lists = list::Entity::find().order_by_asc(list::Column::Id);
    let mut lists = lists.all(&request.db).await?;
    lists.retain(|list| permissions::sees_list(&request.viewer, list));
    let lists: Vec<_> = lists.iter().map(ListSerializer::from).collect();
    Ok(json(&lists))
}

#[derive(Deserialize)]
struct NewList {
    name: String,
    #[serde(default)]
    public: bool,
}

/// Creates a list, whose first member is the viewer.
async fn create(body: Bytes, change: ChangeRequest) -> ApiResult<impl Reply> {
    let founder = change.viewer.name().ok_or_else(sign_in_first)?;
    let NewList { name, public } = parse(&body)?;
    check_text("name", &name)?;
    let transaction = begin(&change.db).await?;
    let list = list::ActiveModel {
        name: Set(name),
        public: Set(public),
        ..Default::default()
    };
    let list = list.insert(&transaction).await?;
    let membership = membership::ActiveModel {
        list_id: Set(list.id),
        name: Set(founder.to_owned()),
    };
    membership.insert(&transaction).await?;
    change.access.add_list(list.id, public, founder);
    transaction.commit().await?;
    Ok(created(&ListSerializer::from(&list)))
}

async fn show(id: i32, request: Request) -> ApiResult<impl Reply> {
    let list = find_visible(id, &request.viewer, &request.db).await?;
    let tasks = task::Entity::find()
        .filter(task::Column::ListId.eq(id))
        .order_by_asc(task::Column::Id);
    let tasks = tasks.all(&request.db).await?;
    Ok(json(&TodoListSerializer {
        list: ListSerializer::from(&list),
        tasks: TaskView::of_all(&request.viewer, &tasks),
    }))
}

#[derive(Deserialize)]
struct ListChanges {
    name: Option<String>,
    public: Option<bool>,
}

/// Renames a list, or makes it public or private.
async fn alter(id: i32, body: Bytes, change: ChangeRequest) -> ApiResult<impl Reply> {
    let changes: ListChanges = parse(&body)?;
    if let Some(name) = &changes.name {
        check_text("name", name)?;
    }
    require_member(&change.viewer, id)?;
    let transaction = begin(&change.db).await?;
    let list = lock::<list::Entity>(id, LockType::Share, &transaction).await?;
    let mut list = list.into_active_model();
    if let Some(name) = changes.name {
        list.name.set_if_not_equals(name);
    }
    if let Some(public) = changes.public {
        list.public.set_if_not_equals(public);
    }
    let list = list.update(&transaction).await?;
    transaction.commit().await?;
    let ChangeRequest { app, access, .. } = change;
    access.set_public(id, list.public);
    drop(access);
    if changes.public == Some(false) {
        // NEW: ends the subscriptions that `authorize` now denies.
        app.live.reauthorize(|viewer| !viewer.is_member(id)).await;
    }
    Ok(json(&ListSerializer::from(&list)))
}

async fn remove(id: i32, request: Request) -> ApiResult<impl Reply> {
    require_member(&request.viewer, id)?;
    let transaction = begin(&request.db).await?;
    let list = lock::<list::Entity>(id, LockType::Share, &transaction).await?;
    let tasks = task::Entity::find().filter(task::Column::ListId.eq(id));
    for task in tasks.all(&transaction).await? {
        task.delete(&transaction).await?;
    }
    let memberships = membership::Entity::find().filter(membership::Column::ListId.eq(id));
    for membership in memberships.all(&transaction).await? {
        membership.delete(&transaction).await?;
    }
    list.delete(&transaction).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Move {
    to: i32,
}

/// Moves all tasks of a list to another list. If the viewer may not write that list, the
/// transaction rolls back the moves that are already written, and subscribers receive nothing.
async fn move_tasks(id: i32, body: Bytes, request: Request) -> ApiResult<impl Reply> {
    let Move { to } = parse(&body)?;
    require_member(&request.viewer, id)?;
    let transaction = begin(&request.db).await?;
    lock::<list::Entity>(id, LockType::Share, &transaction).await?;
    let tasks = task::Entity::find()
        .filter(task::Column::ListId.eq(id))
        .order_by_asc(task::Column::Id);
    let tasks = tasks.all(&transaction).await?;
    let moved = tasks.len();
    for task in tasks {
        let mut task = task.into_active_model();
        task.list_id.set_if_not_equals(to);
        task.update(&transaction).await?;
    }
    if let Err(error) = require_own(to, &request.viewer, &transaction).await {
        transaction.rollback().await?;
        return Err(error);
    }
    transaction.commit().await?;
    Ok(json(&json!({ "moved": moved })))
}

/// Finds a list that the viewer may see.
pub async fn find_visible(
    id: i32,
    viewer: &Viewer,
    db: &impl ConnectionTrait,
) -> ApiResult<list::Model> {
    let list = find::<list::Entity>(id, db).await?;
    if permissions::sees_list(viewer, &list) {
        Ok(list)
    } else {
        Err(ApiError::no_row("list", id))
    }
}

/// Fails unless the viewer may write the list. If they may not see the list, the error is that of a
/// missing list.
pub fn require_member(viewer: &Viewer, id: i32) -> ApiResult<()> {
    if viewer.is_member(id) {
        Ok(())
    } else if !viewer.may_see(id) {
        Err(ApiError::no_row("list", id))
    } else if viewer.name().is_none() {
        Err(sign_in_first())
    } else {
        let message = format!("you are not a member of list {id}");
        Err(ApiError::new(StatusCode::FORBIDDEN, message))
    }
}

/// Fails unless the list exists and the viewer may write it. Locks the list, so that it exists
/// until the transaction ends.
async fn require_own(id: i32, viewer: &Viewer, transaction: &LiveTransaction) -> ApiResult<()> {
    require_member(viewer, id)?;
    lock::<list::Entity>(id, LockType::Share, transaction).await?;
    Ok(())
}

/// Fails as [`require_own`] does, for a list that the body names.
pub async fn require_target(
    id: i32,
    viewer: &Viewer,
    transaction: &LiveTransaction,
) -> ApiResult<()> {
    let own = require_own(id, viewer, transaction).await;
    own.map_err(|error| error.of_list_id(id))
}
