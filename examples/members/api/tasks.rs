//! `/api/tasks`.

use std::collections::BTreeSet;

use rest_live::LiveTransaction;
use sea_orm::{
    ActiveModelTrait, EntityTrait, IntoActiveModel, ModelTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::LockType,
};
use serde_json::json;
use warp::{
    Filter, Reply, delete, filters::BoxedFilter, get, http::StatusCode, hyper::body::Bytes, patch,
    path, post, reply::json,
};

use super::{
    App, Request,
    lists::{find_visible, require_member, require_target},
    request, sign_in_first,
};
use crate::{
    permissions,
    serializers::TaskView,
    shared::rest::{ApiError, ApiResult, begin, body, created, find, lock, parse, parse_all},
    task::{self, NewTask, Selection, TaskChanges},
    viewer::Viewer,
};

/// Maximum number of tasks that one request can insert.
const MAX_BULK_TASKS: usize = 1000;

pub fn routes(app: &App) -> BoxedFilter<(impl Reply + use<>,)> {
    let tasks = path!("api" / "tasks");
    let task = path!("api" / "tasks" / i32);
    let bulk = path!("api" / "tasks" / "bulk");
    let selection = warp::query::<Selection>();
    let request = request(app);
    let with_body = body().and(request.clone());
    (tasks.and(post()).and(with_body.clone()).then(create))
        .or(task.and(get()).and(request.clone()).then(show))
        .or(task.and(patch()).and(with_body.clone()).then(change))
        .or(task.and(delete()).and(request.clone()).then(remove))
        .or(bulk.and(post()).and(with_body.clone()).then(create_many))
        .or((tasks.and(get()).and(selection).and(request.clone())).then(index))
        .or((tasks.and(patch()).and(selection).and(with_body)).then(change_many))
        .or((tasks.and(delete()).and(selection).and(request)).then(remove_many))
        .boxed()
}

async fn create(body: Bytes, Request { db, viewer, .. }: Request) -> ApiResult<impl Reply> {
    let task: NewTask = parse(&body)?;
    let transaction = begin(&db).await?;
    require_target(task.list_id, &viewer, &transaction).await?;
    task.check()?;
    let task = task.into_active_model().insert(&transaction).await?;
    transaction.commit().await?;
    Ok(created(&TaskView::of(&viewer, &task)))
}

async fn show(id: i32, Request { db, viewer, .. }: Request) -> ApiResult<impl Reply> {
    let task = find::<task::Entity>(id, &db).await?;
    let task = TaskView::of(&viewer, &task).ok_or_else(|| ApiError::no_row("task", id))?;
    Ok(json(&task))
}

async fn change(
    id: i32,
    body: Bytes,
    Request { db, viewer, .. }: Request,
) -> ApiResult<impl Reply> {
    let changes: TaskChanges = parse(&body)?;
    let transaction = begin(&db).await?;
    let task = lock_own(id, &viewer, &transaction).await?;
    check(&changes, &viewer, &transaction).await?;
    let task = changes.apply(task.into_active_model());
    let task = task.update(&transaction).await?;
    transaction.commit().await?;
    Ok(json(&TaskView::of(&viewer, &task)))
}

async fn remove(id: i32, Request { db, viewer, .. }: Request) -> ApiResult<impl Reply> {
    let transaction = begin(&db).await?;
    let task = lock_own(id, &viewer, &transaction).await?;
    task.delete(&transaction).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn create_many(body: Bytes, Request { db, viewer, .. }: Request) -> ApiResult<impl Reply> {
    let tasks: Vec<NewTask> = parse_all(&body)?;
    NewTask::check_all(&tasks, MAX_BULK_TASKS)?;
    let transaction = begin(&db).await?;
    let list_ids: BTreeSet<_> = tasks.iter().map(|task| task.list_id).collect();
    for list_id in list_ids {
        require_target(list_id, &viewer, &transaction).await?;
    }
    let mut rows = Vec::new();
    for task in tasks {
        rows.push(task.into_active_model().insert(&transaction).await?);
    }
    transaction.commit().await?;
    Ok(created(&TaskView::of_all(&viewer, &rows)))
}

async fn index(selection: Selection, Request { db, viewer, .. }: Request) -> ApiResult<impl Reply> {
    if selection.done.is_some() && viewer.name().is_none() {
        // The filter would reveal what the serializer hides.
        return Err(sign_in_first());
    }
    if let Some(list) = selection.list_id {
        find_visible(list, &viewer, &db).await?;
    }
    let tasks = task::Entity::find()
        .filter(selection.condition())
        .order_by_asc(task::Column::Id);
    let tasks = tasks.all(&db).await?;
    Ok(json(&TaskView::of_all(&viewer, &tasks)))
}

async fn change_many(
    selection: Selection,
    body: Bytes,
    Request { db, viewer, .. }: Request,
) -> ApiResult<impl Reply> {
    let changes: TaskChanges = parse(&body)?;
    changes.require_any()?;
    let transaction = begin(&db).await?;
    let tasks = lock_selected(&selection, &viewer, &transaction).await?;
    check(&changes, &viewer, &transaction).await?;
    let affected = tasks.len();
    for task in tasks {
        let task = changes.clone().apply(task.into_active_model());
        task.update(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(json(&json!({ "affected": affected })))
}

async fn remove_many(
    selection: Selection,
    Request { db, viewer, .. }: Request,
) -> ApiResult<impl Reply> {
    let transaction = begin(&db).await?;
    let tasks = lock_selected(&selection, &viewer, &transaction).await?;
    let affected = tasks.len();
    for task in tasks {
        task.delete(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(json(&json!({ "affected": affected })))
}

/// Fails unless the changes are valid, and the viewer may write the list that they name.
async fn check(
    changes: &TaskChanges,
    viewer: &Viewer,
    transaction: &LiveTransaction,
) -> ApiResult<()> {
    changes.check()?;
    match changes.list_id {
        Some(list_id) => require_target(list_id, viewer, transaction).await,
        None => Ok(()),
    }
}

/// Finds a task that the viewer may write, and locks it until the transaction ends.
async fn lock_own(
    id: i32,
    viewer: &Viewer,
    transaction: &LiveTransaction,
) -> ApiResult<task::Model> {
    let task = lock::<task::Entity>(id, LockType::Update, transaction).await?;
    if !permissions::sees_task(viewer, &task) {
        return Err(ApiError::no_row("task", id));
    }
    require_member(viewer, task.list_id)?;
    Ok(task)
}

/// Finds the selected tasks that the viewer may write, and locks them until the transaction ends.
async fn lock_selected(
    selection: &Selection,
    viewer: &Viewer,
    transaction: &LiveTransaction,
) -> ApiResult<Vec<task::Model>> {
    if let Some(list) = selection.list_id {
        require_member(viewer, list)?;
    }
    let tasks = task::Entity::find()
        .filter(selection.explicit()?)
        .order_by_asc(task::Column::Id)
        .lock_exclusive();
    let mut tasks = tasks.all(transaction).await?;
    tasks.retain(|task| viewer.is_member(task.list_id));
    Ok(tasks)
}
