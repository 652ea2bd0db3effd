//! The page and the REST API: the routes that any application has.
//!
//! NEW: the connection is a `LiveConnection`. It implements SeaORM's traits, so the queries stay as
//! they are, and each write on it is sent to the subscribers after its commit.

use std::collections::BTreeSet;

use rest_live::{LiveConnection, LiveEntity, LiveTransaction};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, EntityTrait, IntoActiveModel, ModelTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, LockType},
};
use serde::Deserialize;
use serde_json::json;
use warp::{
    Filter, Reply, delete, filters::BoxedFilter, get, http::StatusCode, hyper::body::Bytes, patch,
    path, post, reply::json,
};

use crate::{
    list,
    serializers::{ListSerializer, TaskSerializer, TodoListSerializer},
    shared::rest::{ApiResult, begin, body, check_text, created, find, lock, parse, parse_all},
    task::{self, NewTask, Selection, TaskChanges},
};

/// Maximum number of tasks that one request can insert. Subscribers would receive a reset instead
/// of more rows (`LiveBuilder::max_rows_per_statement`).
const MAX_BULK_TASKS: usize = 10_000;

pub fn routes(db: LiveConnection) -> BoxedFilter<(impl Reply,)> {
    let db = warp::any().map(move || db.clone());
    let lists = path!("api" / "lists").and(db.clone());
    let list = path!("api" / "lists" / i32).and(db.clone());
    let list_move = path!("api" / "lists" / i32 / "move").and(db.clone());
    let list_routes = (lists.clone().and(get()).then(all_lists))
        .or(lists.and(post()).and(body()).then(create_list))
        .or(list.clone().and(get()).then(show_list))
        .or(list.clone().and(patch()).and(body()).then(rename_list))
        .or(list.and(delete()).then(delete_list))
        .or(list_move.and(post()).and(body()).then(move_tasks));

    let task = path!("api" / "tasks" / i32).and(db.clone());
    let tasks = path!("api" / "tasks").and(db.clone());
    let bulk = path!("api" / "tasks" / "bulk").and(db);
    let selection = warp::query::<Selection>();
    let task_routes = (tasks.clone().and(post()).and(body()).then(create_task))
        .or(task.clone().and(get()).then(show_task))
        .or(task.clone().and(patch()).and(body()).then(change_task))
        .or(task.and(delete()).then(delete_task))
        .or(bulk.and(post()).and(body()).then(create_tasks))
        .or(tasks.clone().and(get()).and(selection).then(all_tasks))
        .or((tasks.clone().and(patch()).and(selection).and(body())).then(change_tasks))
        .or(tasks.and(delete()).and(selection).then(delete_tasks));

    let page = || warp::reply::html(include_str!("page.html"));
    (path::end().and(get()).map(page))
        .or(list_routes)
        .or(task_routes)
        .boxed()
}

#[derive(Deserialize)]
struct ListName {
    name: String,
}

async fn all_lists(db: LiveConnection) -> ApiResult<impl Reply> {
    let lists = list::Entity::find().order_by_asc(list::Column::Id);
    let lists = lists.into_partial_model::<ListSerializer>();
    Ok(json(&lists.all(&db).await?))
}

async fn create_list(db: LiveConnection, body: Bytes) -> ApiResult<impl Reply> {
    let ListName { name } = parse(&body)?;
    check_text("name", &name)?;
    let list = list::ActiveModel {
        name: Set(name),
        ..Default::default()
    };
    // A transaction, although it is one statement: if the client disconnects, both the row and its
    // event are written, or neither is.
    let transaction = begin(&db).await?;
    let list = list.insert(&transaction).await?;
    transaction.commit().await?;
    Ok(created(&ListSerializer::from(&list)))
}

async fn show_list(id: i32, db: LiveConnection) -> ApiResult<impl Reply> {
    let list = find::<list::Entity>(id, &db).await?;
    let tasks = task::Entity::find()
        .filter(task::Column::ListId.eq(id))
        .order_by_asc(task::Column::Id)
        .into_partial_model::<TaskSerializer>();
    Ok(json(&TodoListSerializer {
        list: ListSerializer::from(&list),
        tasks: tasks.all(&db).await?,
    }))
}

async fn rename_list(id: i32, db: LiveConnection, body: Bytes) -> ApiResult<impl Reply> {
    let ListName { name } = parse(&body)?;
    check_text("name", &name)?;
    let transaction = begin(&db).await?;
    let list = lock::<list::Entity>(id, LockType::Update, &transaction).await?;
    let mut list = list.into_active_model();
    list.name = Set(name);
    let list = list.update(&transaction).await?;
    transaction.commit().await?;
    Ok(json(&ListSerializer::from(&list)))
}

async fn delete_list(id: i32, db: LiveConnection) -> ApiResult<impl Reply> {
    let transaction = begin(&db).await?;
    let list = lock::<list::Entity>(id, LockType::Update, &transaction).await?;
    task::Entity::live_delete_many() // NEW: subscribers receive a DELETED for each task
        .filter(task::Column::ListId.eq(id))
        .exec(&transaction)
        .await?;
    list.delete(&transaction).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Move {
    to: i32,
}

/// Moves all tasks of a list to another list. If that list does not exist, the transaction rolls
/// back the moves that are already written, and subscribers receive nothing.
async fn move_tasks(id: i32, db: LiveConnection, body: Bytes) -> ApiResult<impl Reply> {
    let Move { to } = parse(&body)?;
    let transaction = begin(&db).await?;
    lock::<list::Entity>(id, LockType::Share, &transaction).await?;
    let moved = task::Entity::live_update_many() // NEW: DELETED from one list, CREATED in the other
        .col_expr(task::Column::ListId, Expr::value(to))
        .filter(task::Column::ListId.eq(id))
        .exec(&transaction)
        .await?;
    if let Err(missing) = lock::<list::Entity>(to, LockType::Share, &transaction).await {
        transaction.rollback().await?;
        return Err(missing);
    }
    transaction.commit().await?;
    Ok(json(&json!({ "moved": moved.rows_affected })))
}

async fn create_task(db: LiveConnection, body: Bytes) -> ApiResult<impl Reply> {
    let task: NewTask = parse(&body)?;
    task.check()?;
    let transaction = begin(&db).await?;
    require_list(task.list_id, &transaction).await?;
    let task = task.into_active_model().insert(&transaction).await?;
    transaction.commit().await?;
    Ok(created(&TaskSerializer::from(&task)))
}

async fn show_task(id: i32, db: LiveConnection) -> ApiResult<impl Reply> {
    let task = find::<task::Entity>(id, &db).await?;
    Ok(json(&TaskSerializer::from(&task)))
}

async fn change_task(id: i32, db: LiveConnection, body: Bytes) -> ApiResult<impl Reply> {
    let changes: TaskChanges = parse(&body)?;
    changes.check()?;
    let transaction = begin(&db).await?;
    // Every request locks a list before its tasks, so that no two requests wait for each other.
    if let Some(list_id) = changes.list_id {
        require_list(list_id, &transaction).await?;
    }
    let task = lock::<task::Entity>(id, LockType::Update, &transaction).await?;
    let task = changes.apply(task.into_active_model());
    let task = task.update(&transaction).await?;
    transaction.commit().await?;
    Ok(json(&TaskSerializer::from(&task)))
}

async fn delete_task(id: i32, db: LiveConnection) -> ApiResult<impl Reply> {
    let transaction = begin(&db).await?;
    let task = lock::<task::Entity>(id, LockType::Update, &transaction).await?;
    task.delete(&transaction).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn create_tasks(db: LiveConnection, body: Bytes) -> ApiResult<impl Reply> {
    let tasks: Vec<NewTask> = parse_all(&body)?;
    NewTask::check_all(&tasks, MAX_BULK_TASKS)?;
    let transaction = begin(&db).await?;
    let list_ids: BTreeSet<_> = tasks.iter().map(|task| task.list_id).collect();
    for list_id in list_ids {
        require_list(list_id, &transaction).await?;
    }
    let tasks = tasks.into_iter().map(NewTask::into_active_model);
    let tasks = task::Entity::live_insert_many(tasks) // NEW: a CREATED for each task
        .exec_with_returning(&transaction)
        .await?;
    transaction.commit().await?;
    let tasks: Vec<_> = tasks.iter().map(TaskSerializer::from).collect();
    Ok(created(&tasks))
}

async fn all_tasks(db: LiveConnection, selection: Selection) -> ApiResult<impl Reply> {
    let tasks = task::Entity::find()
        .filter(selection.condition())
        .order_by_asc(task::Column::Id)
        .into_partial_model::<TaskSerializer>();
    Ok(json(&tasks.all(&db).await?))
}

async fn change_tasks(
    db: LiveConnection,
    selection: Selection,
    body: Bytes,
) -> ApiResult<impl Reply> {
    let condition = selection.explicit()?;
    let changes: TaskChanges = parse(&body)?;
    changes.check()?;
    changes.require_any()?;
    let transaction = begin(&db).await?;
    if let Some(list_id) = changes.list_id {
        require_list(list_id, &transaction).await?;
    }
    let changed = task::Entity::live_update_many() // NEW: also captures which list a task leaves
        .set(changes.apply(Default::default()))
        .filter(condition)
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(json(&json!({ "affected": changed.rows_affected })))
}

async fn delete_tasks(db: LiveConnection, selection: Selection) -> ApiResult<impl Reply> {
    let deleted = task::Entity::live_delete_many() // NEW: a DELETED for each task
        .filter(selection.explicit()?)
        .exec(&db)
        .await?;
    Ok(json(&json!({ "affected": deleted.rows_affected })))
}

/// Fails with 400 unless the list exists. Locks the list, so that it exists until the transaction
/// ends.
async fn require_list(id: i32, transaction: &LiveTransaction) -> ApiResult<()> {
    let list = lock::<list::Entity>(id, LockType::Share, transaction).await;
    list.map(drop).map_err(|error| error.of_list_id(id))
}
