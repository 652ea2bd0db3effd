//! `/api/tasks`.

use std::collections::BTreeSet;

use rest_live::LiveTransaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel,
    ModelTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Deserialize;
use serde_json::json;
use warp::{Filter, filters::BoxedFilter, hyper::body::Bytes, reply::Response};

use super::{
    ApiError, ApiResult, App, Request, answer, begin, body, check_text, created, lists, no_content,
    ok, parse, parse_all, request,
};
use crate::{permissions, serializers::TaskView, task, viewer::Viewer};

/// How many tasks one request can insert.
const MOST_AT_ONCE: usize = 1000;

pub fn routes(app: &App) -> BoxedFilter<(Response,)> {
    let all = warp::path!("api" / "tasks");
    let one = warp::path!("api" / "tasks" / i32);
    let selected = warp::query::<Selection>();
    let get_all = all
        .and(warp::get())
        .and(selected)
        .and(request(app))
        .then(index)
        .map(answer);
    let post = all
        .and(warp::post())
        .and(body())
        .and(request(app))
        .then(create)
        .map(answer);
    let get = one
        .and(warp::get())
        .and(request(app))
        .then(show)
        .map(answer);
    let patch = one
        .and(warp::patch())
        .and(body())
        .and(request(app))
        .then(change)
        .map(answer);
    let delete = one
        .and(warp::delete())
        .and(request(app))
        .then(remove)
        .map(answer);
    let bulk = warp::path!("api" / "tasks" / "bulk")
        .and(warp::post())
        .and(body())
        .and(request(app))
        .then(create_many)
        .map(answer);
    let patch_many = all
        .and(warp::patch())
        .and(selected)
        .and(body())
        .and(request(app))
        .then(change_many)
        .map(answer);
    let delete_many = all
        .and(warp::delete())
        .and(selected)
        .and(request(app))
        .then(remove_many)
        .map(answer);
    let single = get_all
        .or(post)
        .unify()
        .or(get)
        .unify()
        .or(patch)
        .unify()
        .or(delete)
        .unify();
    single
        .or(bulk)
        .unify()
        .or(patch_many)
        .unify()
        .or(delete_many)
        .unify()
        .boxed()
}

/// Which tasks: `?list_id=1&done=true`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)] // a misspelt filter must not select everything
struct Selection {
    list_id: Option<i32>,
    done: Option<bool>,
}

impl Selection {
    fn condition(&self) -> Condition {
        Condition::all()
            .add_option(self.list_id.map(|id| task::Column::ListId.eq(id)))
            .add_option(self.done.map(|done| task::Column::Done.eq(done)))
    }

    /// Finds the tasks to change, all of lists that the viewer may write. They are written one by one:
    /// who saw a task before a change and who after is known row by row.
    async fn hold(
        &self,
        viewer: &Viewer,
        transaction: &LiveTransaction,
    ) -> Result<Vec<task::Model>, ApiError> {
        match self.list_id {
            Some(list) => lists::require_member(viewer, list)?,
            None if self.done.is_none() => {
                return Err(ApiError::bad(
                    "say which tasks: ?list_id=1, ?done=true or both",
                ));
            }
            None => {}
        }
        let tasks = task::Entity::find()
            .filter(self.condition())
            .order_by_asc(task::Column::Id)
            .lock_exclusive();
        let mut tasks = tasks.all(transaction).await?;
        tasks.retain(|task| viewer.is_member(task.list_id));
        Ok(tasks)
    }
}

#[derive(Deserialize)]
struct NewTask {
    text: String,
    list_id: i32,
    #[serde(default)]
    done: bool,
}

impl NewTask {
    async fn insert(self, transaction: &LiveTransaction) -> Result<task::Model, ApiError> {
        check_text("text", &self.text)?;
        let task = task::ActiveModel {
            text: Set(self.text),
            list_id: Set(self.list_id),
            done: Set(self.done),
            ..Default::default()
        };
        Ok(task.insert(transaction).await?)
    }
}

#[derive(Clone, Deserialize)]
struct Changes {
    text: Option<String>,
    done: Option<bool>,
    list_id: Option<i32>,
}

impl Changes {
    async fn check(&self, viewer: &Viewer, transaction: &LiveTransaction) -> Result<(), ApiError> {
        if let Some(text) = &self.text {
            check_text("text", text)?;
        }
        match self.list_id {
            Some(list_id) => lists::require(list_id, viewer, transaction).await,
            None => Ok(()),
        }
    }

    /// A column that stays equal is not written, and nobody is told that it was.
    async fn write(
        self,
        task: task::Model,
        transaction: &LiveTransaction,
    ) -> Result<task::Model, ApiError> {
        let mut task = task.into_active_model();
        if let Some(text) = self.text {
            task.text.set_if_not_equals(text);
        }
        if let Some(done) = self.done {
            task.done.set_if_not_equals(done);
        }
        if let Some(list_id) = self.list_id {
            task.list_id.set_if_not_equals(list_id);
        }
        Ok(task.update(transaction).await?)
    }
}

async fn index(selection: Selection, Request { db, viewer, .. }: Request) -> ApiResult {
    if selection.done.is_some() && viewer.name().is_none() {
        // Who may not see what is done may not filter by it either.
        return Err(ApiError::anonymous());
    }
    if let Some(list) = selection.list_id {
        lists::find(list, &viewer, &db).await?;
    }
    let tasks = task::Entity::find()
        .filter(selection.condition())
        .order_by_asc(task::Column::Id);
    let tasks = tasks.all(&db).await?;
    ok(&view_all(&viewer, &tasks))
}

async fn create(body: Bytes, Request { db, viewer, .. }: Request) -> ApiResult {
    let task: NewTask = parse(&body)?;
    let transaction = begin(&db).await?;
    lists::require(task.list_id, &viewer, &transaction).await?;
    let task = task.insert(&transaction).await?;
    transaction.commit().await?;
    created(&TaskView::of(&viewer, &task))
}

async fn show(id: i32, Request { db, viewer, .. }: Request) -> ApiResult {
    let task = task::Entity::find_by_id(id).one(&db).await?;
    let seen = task.and_then(|task| TaskView::of(&viewer, &task));
    ok(&seen.ok_or_else(|| missing(id))?)
}

async fn change(id: i32, body: Bytes, Request { db, viewer, .. }: Request) -> ApiResult {
    let changes: Changes = parse(&body)?;
    let transaction = begin(&db).await?;
    let task = hold(id, &viewer, &transaction).await?;
    changes.check(&viewer, &transaction).await?;
    let task = changes.write(task, &transaction).await?;
    transaction.commit().await?;
    ok(&TaskView::of(&viewer, &task))
}

async fn remove(id: i32, Request { db, viewer, .. }: Request) -> ApiResult {
    let transaction = begin(&db).await?;
    let task = hold(id, &viewer, &transaction).await?;
    task.delete(&transaction).await?;
    transaction.commit().await?;
    no_content()
}

async fn create_many(body: Bytes, Request { db, viewer, .. }: Request) -> ApiResult {
    let tasks: Vec<NewTask> = parse_all(&body)?;
    if tasks.len() > MOST_AT_ONCE {
        return Err(ApiError::bad(format!(
            "{} tasks are too many at once: at most {MOST_AT_ONCE}",
            tasks.len()
        )));
    }
    let transaction = begin(&db).await?;
    for list_id in tasks
        .iter()
        .map(|task| task.list_id)
        .collect::<BTreeSet<_>>()
    {
        lists::require(list_id, &viewer, &transaction).await?;
    }
    let mut rows = Vec::new();
    for task in tasks {
        rows.push(task.insert(&transaction).await?);
    }
    transaction.commit().await?;
    created(&view_all(&viewer, &rows))
}

async fn change_many(
    selection: Selection,
    body: Bytes,
    Request { db, viewer, .. }: Request,
) -> ApiResult {
    let changes: Changes = parse(&body)?;
    if changes.text.is_none() && changes.done.is_none() && changes.list_id.is_none() {
        return Err(ApiError::bad(
            "say what to change: `text`, `done` or `list_id`",
        ));
    }
    let transaction = begin(&db).await?;
    let tasks = selection.hold(&viewer, &transaction).await?;
    changes.check(&viewer, &transaction).await?;
    let affected = tasks.len();
    for task in tasks {
        changes.clone().write(task, &transaction).await?;
    }
    transaction.commit().await?;
    ok(&json!({ "affected": affected }))
}

async fn remove_many(selection: Selection, Request { db, viewer, .. }: Request) -> ApiResult {
    let transaction = begin(&db).await?;
    let tasks = selection.hold(&viewer, &transaction).await?;
    let affected = tasks.len();
    for task in tasks {
        task.delete(&transaction).await?;
    }
    transaction.commit().await?;
    ok(&json!({ "affected": affected }))
}

fn view_all(viewer: &Viewer, tasks: &[task::Model]) -> Vec<TaskView> {
    let seen = |task| TaskView::of(viewer, task);
    tasks.iter().filter_map(seen).collect()
}

/// Finds a task that the viewer may write, and nobody else writes until the transaction ends.
async fn hold(
    id: i32,
    viewer: &Viewer,
    transaction: &LiveTransaction,
) -> Result<task::Model, ApiError> {
    let task = task::Entity::find_by_id(id)
        .lock_exclusive()
        .one(transaction)
        .await?
        .filter(|task| permissions::sees_task(viewer, task))
        .ok_or_else(|| missing(id))?;
    lists::require_member(viewer, task.list_id)?;
    Ok(task)
}

fn missing(id: i32) -> ApiError {
    ApiError::missing(format!("task {id}"))
}
