//! `/api/lists`.

use rest_live::LiveTransaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, IntoActiveModel, ModelTrait,
    QueryOrder, QuerySelect,
};
use serde::Deserialize;
use serde_json::json;
use warp::{Filter, filters::BoxedFilter, hyper::body::Bytes, reply::Response};

use super::{
    ApiError, ApiResult, App, Change, Request, answer, begin, body, change, check_text, created,
    no_content, ok, parse, request, whole,
};
use crate::{
    list, membership, permissions,
    serializers::{ListSerializer, TaskView, TodoListSerializer},
    task,
    viewer::Viewer,
};

pub fn routes(app: &App) -> BoxedFilter<(Response,)> {
    let all = warp::path!("api" / "lists");
    let one = warp::path!("api" / "lists" / i32);
    let get_all = all
        .and(warp::get())
        .and(request(app))
        .then(index)
        .map(answer);
    let post = all
        .and(warp::post())
        .and(body())
        .and(change(app))
        .then(|body, change| whole(create(body, change)));
    let get = one
        .and(warp::get())
        .and(request(app))
        .then(show)
        .map(answer);
    let patch = one
        .and(warp::patch())
        .and(body())
        .and(change(app))
        .then(|id, body, change| whole(alter(id, body, change)));
    let delete = one
        .and(warp::delete())
        .and(request(app))
        .then(remove)
        .map(answer);
    let shift = warp::path!("api" / "lists" / i32 / "move")
        .and(warp::post())
        .and(body())
        .and(request(app))
        .then(move_tasks)
        .map(answer);
    get_all
        .or(post)
        .unify()
        .or(get)
        .unify()
        .or(patch)
        .unify()
        .or(delete)
        .unify()
        .or(shift)
        .unify()
        .boxed()
}

async fn index(request: Request) -> ApiResult {
    let lists = list::Entity::find().order_by_asc(list::Column::Id);
    let lists = lists.all(&request.db).await?;
    let seen = |list: &&list::Model| permissions::sees_list(&request.viewer, list);
    ok(&lists
        .iter()
        .filter(seen)
        .map(ListSerializer::from)
        .collect::<Vec<_>>())
}

#[derive(Deserialize)]
struct NewList {
    name: String,
    #[serde(default)]
    public: bool,
}

/// Who creates a list is its first member.
async fn create(body: Bytes, change: Change) -> ApiResult {
    let founder = change.viewer.name().ok_or_else(ApiError::anonymous)?;
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
    change.changing.found(list.id, public, founder);
    transaction.commit().await?;
    created(&ListSerializer::from(&list))
}

async fn show(id: i32, request: Request) -> ApiResult {
    let list = find(id, &request.viewer, &request.db).await?;
    let tasks = list
        .find_related(task::Entity)
        .order_by_asc(task::Column::Id);
    let tasks = tasks.all(&request.db).await?;
    let seen = |task| TaskView::of(&request.viewer, task);
    ok(&TodoListSerializer {
        list: ListSerializer::from(&list),
        tasks: tasks.iter().filter_map(seen).collect(),
    })
}

#[derive(Deserialize)]
struct Changes {
    name: Option<String>,
    public: Option<bool>,
}

/// Renames a list, makes it public, makes it private.
async fn alter(id: i32, body: Bytes, change: Change) -> ApiResult {
    let changes: Changes = parse(&body)?;
    if let Some(name) = &changes.name {
        check_text("name", name)?;
    }
    require_member(&change.viewer, id)?;
    let transaction = begin(&change.db).await?;
    let mut list = hold(id, &transaction).await?.into_active_model();
    if let Some(name) = changes.name {
        list.name.set_if_not_equals(name);
    }
    if let Some(public) = changes.public {
        list.public.set_if_not_equals(public);
    }
    let list = list.update(&transaction).await?;
    transaction.commit().await?;
    let Change { app, changing, .. } = change;
    changing.publish(id, list.public);
    drop(changing);
    if changes.public == Some(false) {
        app.live.reauthorize(|viewer| !viewer.is_member(id)).await;
    }
    ok(&ListSerializer::from(&list))
}

async fn remove(id: i32, request: Request) -> ApiResult {
    require_member(&request.viewer, id)?;
    let transaction = begin(&request.db).await?;
    let list = hold(id, &transaction).await?;
    for task in list.find_related(task::Entity).all(&transaction).await? {
        task.delete(&transaction).await?;
    }
    let memberships = list.find_related(membership::Entity);
    for membership in memberships.all(&transaction).await? {
        membership.delete(&transaction).await?;
    }
    list.delete(&transaction).await?;
    transaction.commit().await?;
    no_content()
}

#[derive(Deserialize)]
struct Move {
    to: i32,
}

/// Moves every task of a list to another one, or none: when the other list turns out to be missing,
/// the moves are already written, and the rollback takes them back. No subscriber hears of them.
async fn move_tasks(id: i32, body: Bytes, request: Request) -> ApiResult {
    let Move { to } = parse(&body)?;
    require_member(&request.viewer, id)?;
    let transaction = begin(&request.db).await?;
    let list = hold(id, &transaction).await?;
    let tasks = list
        .find_related(task::Entity)
        .order_by_asc(task::Column::Id)
        .all(&transaction)
        .await?;
    let moved = tasks.len();
    for task in tasks {
        let mut task = task.into_active_model();
        task.list_id.set_if_not_equals(to);
        task.update(&transaction).await?;
    }
    let target = require_member(&request.viewer, to);
    if let Err(error) = target.and(hold(to, &transaction).await.map(drop)) {
        transaction.rollback().await?;
        return Err(error);
    }
    transaction.commit().await?;
    ok(&json!({ "moved": moved }))
}

/// Finds a list that the viewer may see.
pub async fn find(
    id: i32,
    viewer: &Viewer,
    db: &impl ConnectionTrait,
) -> Result<list::Model, ApiError> {
    let list = list::Entity::find_by_id(id).one(db).await?;
    list.filter(|list| permissions::sees_list(viewer, list))
        .ok_or_else(|| missing(id))
}

/// Finds a list that is there until the transaction ends. SQLite has one writer and no such locks.
pub async fn hold(id: i32, transaction: &LiveTransaction) -> Result<list::Model, ApiError> {
    let list = list::Entity::find_by_id(id)
        .lock_shared()
        .one(transaction)
        .await?;
    list.ok_or_else(|| missing(id))
}

/// Fails unless the viewer may write a list. A list that they may not even see is missing, as one that
/// does not exist.
pub fn require_member(viewer: &Viewer, id: i32) -> Result<(), ApiError> {
    match viewer.name() {
        _ if viewer.is_member(id) => Ok(()),
        _ if !viewer.may_see(id) => Err(missing(id)),
        Some(_) => Err(ApiError::not_a_member(id)),
        None => Err(ApiError::anonymous()),
    }
}

/// Fails with 400 unless there is a list that the viewer may put a task in.
pub async fn require(
    id: i32,
    viewer: &Viewer,
    transaction: &LiveTransaction,
) -> Result<(), ApiError> {
    let member = require_member(viewer, id);
    match member.and(hold(id, transaction).await.map(drop)) {
        Err(error) if error.is_missing() => Err(ApiError::bad(format!(
            "`list_id` is {id}, and there is no such list"
        ))),
        result => result,
    }
}

fn missing(id: i32) -> ApiError {
    ApiError::missing(format!("list {id}"))
}
