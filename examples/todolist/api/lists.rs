//! `/api/lists`.

use rest_live::{LiveConnection, LiveEntity, LiveTransaction};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    ModelTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use serde::Deserialize;
use serde_json::json;
use warp::{Filter, filters::BoxedFilter, hyper::body::Bytes, reply::Response};

use super::{
    ApiError, ApiResult, answer, begin, body, check_text, created, no_content, ok, parse, with,
};
use crate::{
    list,
    serializers::{ListSerializer, TaskSerializer, TodoListSerializer},
    task,
};

pub fn routes(db: &LiveConnection) -> BoxedFilter<(Response,)> {
    let all = warp::path!("api" / "lists");
    let one = warp::path!("api" / "lists" / i32);
    let get_all = all.and(warp::get()).and(with(db)).then(index).map(answer);
    let post = all
        .and(warp::post())
        .and(with(db))
        .and(body())
        .then(create)
        .map(answer);
    let get = one.and(warp::get()).and(with(db)).then(show).map(answer);
    let patch = one
        .and(warp::patch())
        .and(with(db))
        .and(body())
        .then(rename)
        .map(answer);
    let delete = one
        .and(warp::delete())
        .and(with(db))
        .then(remove)
        .map(answer);
    let shift = warp::path!("api" / "lists" / i32 / "move")
        .and(warp::post())
        .and(with(db))
        .and(body())
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

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn index(db: LiveConnection) -> ApiResult {
    ok(&list::Entity::find()
        .order_by_asc(list::Column::Id)
        .into_partial_model::<ListSerializer>()
        .all(&db)
        .await?)
}

async fn create(db: LiveConnection, body: Bytes) -> ApiResult {
    let Named { name } = parse(&body)?;
    check_text("name", &name)?;
    let list = list::ActiveModel {
        name: Set(name),
        ..Default::default()
    };
    // One statement, and in a transaction all the same: a request that is given up is done whole,
    // row and event, or not at all.
    let transaction = begin(&db).await?;
    let list = list.insert(&transaction).await?;
    transaction.commit().await?;
    created(&ListSerializer::from(&list))
}

async fn show(id: i32, db: LiveConnection) -> ApiResult {
    let list::Model { id, name } = find(id, &db).await?;
    let tasks = task::Entity::find()
        .filter(task::Column::ListId.eq(id))
        .order_by_asc(task::Column::Id);
    let tasks = tasks
        .into_partial_model::<TaskSerializer>()
        .all(&db)
        .await?;
    ok(&TodoListSerializer { id, name, tasks })
}

async fn rename(id: i32, db: LiveConnection, body: Bytes) -> ApiResult {
    let Named { name } = parse(&body)?;
    check_text("name", &name)?;
    let transaction = begin(&db).await?;
    let mut list = take(id, &transaction).await?.into_active_model();
    list.name = Set(name);
    let list = list.update(&transaction).await?;
    transaction.commit().await?;
    ok(&ListSerializer::from(&list))
}

async fn remove(id: i32, db: LiveConnection) -> ApiResult {
    let transaction = begin(&db).await?;
    let list = take(id, &transaction).await?;
    task::Entity::live_delete_many()
        .filter(task::Column::ListId.eq(list.id))
        .exec(&transaction)
        .await?;
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
async fn move_tasks(id: i32, db: LiveConnection, body: Bytes) -> ApiResult {
    let Move { to } = parse(&body)?;
    let transaction = begin(&db).await?;
    let list = hold(id, &transaction).await?;
    let moved = task::Entity::live_update_many()
        .col_expr(task::Column::ListId, Expr::value(to))
        .filter(task::Column::ListId.eq(list.id))
        .exec(&transaction)
        .await?
        .rows_affected;
    if let Err(missing) = hold(to, &transaction).await {
        transaction.rollback().await?;
        return Err(missing);
    }
    transaction.commit().await?;
    ok(&json!({ "moved": moved }))
}

async fn find(id: i32, db: &impl ConnectionTrait) -> Result<list::Model, ApiError> {
    list::Entity::find_by_id(id)
        .one(db)
        .await?
        .ok_or_else(|| ApiError::missing("list", id))
}

/// Finds a list that is there until the transaction ends. SQLite has one writer and no such locks.
async fn hold(id: i32, transaction: &LiveTransaction) -> Result<list::Model, ApiError> {
    let list = list::Entity::find_by_id(id)
        .lock_shared()
        .one(transaction)
        .await?;
    list.ok_or_else(|| ApiError::missing("list", id))
}

/// Finds a list that is to be written: once nobody holds it, with all that they put in.
async fn take(id: i32, transaction: &LiveTransaction) -> Result<list::Model, ApiError> {
    let list = list::Entity::find_by_id(id)
        .lock_exclusive()
        .one(transaction)
        .await?;
    list.ok_or_else(|| ApiError::missing("list", id))
}

/// Fails with 400 unless there is a list to put a task in.
pub async fn require(id: i32, transaction: &LiveTransaction) -> Result<(), ApiError> {
    hold(id, transaction)
        .await
        .map(drop)
        .map_err(|error| match error {
            error if error.is_missing() => {
                ApiError::bad(format!("`list_id` is {id}, and there is no such list"))
            }
            error => error,
        })
}
