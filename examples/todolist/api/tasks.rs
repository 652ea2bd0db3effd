//! `/api/tasks`.

use std::collections::BTreeSet;

use rest_live::{LiveConnection, LiveEntity, LiveTransaction};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait,
    IntoActiveModel, ModelTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Deserialize;
use serde_json::json;
use warp::{Filter, filters::BoxedFilter, hyper::body::Bytes, reply::Response};

use super::{
    ApiError, ApiResult, answer, begin, body, check_text, created, lists, no_content, ok, parse,
    parse_all, with,
};
use crate::{serializers::TaskSerializer, task};

/// How many tasks one request can insert: more would be told by a reset (`LiveBuilder::bulk_rows`).
const MOST_AT_ONCE: usize = 10_000;

pub fn routes(db: &LiveConnection) -> BoxedFilter<(Response,)> {
    let all = warp::path!("api" / "tasks");
    let one = warp::path!("api" / "tasks" / i32);
    let selected = warp::query::<Selection>();
    let get_all = all
        .and(warp::get())
        .and(with(db))
        .and(selected)
        .then(index)
        .map(answer);
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
        .then(change)
        .map(answer);
    let delete = one
        .and(warp::delete())
        .and(with(db))
        .then(remove)
        .map(answer);
    let bulk = warp::path!("api" / "tasks" / "bulk")
        .and(warp::post())
        .and(with(db))
        .and(body())
        .then(create_many)
        .map(answer);
    let patch_many = all
        .and(warp::patch())
        .and(with(db))
        .and(selected)
        .and(body())
        .then(change_many)
        .map(answer);
    let delete_many = all
        .and(warp::delete())
        .and(with(db))
        .and(selected)
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

    /// What changes many rows has to say which.
    fn explicit(&self) -> Result<Condition, ApiError> {
        if self.list_id.is_none() && self.done.is_none() {
            return Err(ApiError::bad(
                "say which tasks: ?list_id=1, ?done=true or both",
            ));
        }
        Ok(self.condition())
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
    fn into_active_model(self) -> Result<task::ActiveModel, ApiError> {
        check_text("text", &self.text)?;
        Ok(task::ActiveModel {
            text: Set(self.text),
            list_id: Set(self.list_id),
            done: Set(self.done),
            ..Default::default()
        })
    }
}

#[derive(Deserialize)]
struct Changes {
    text: Option<String>,
    done: Option<bool>,
    list_id: Option<i32>,
}

impl Changes {
    async fn check(&self, transaction: &LiveTransaction) -> Result<(), ApiError> {
        if let Some(text) = &self.text {
            check_text("text", text)?;
        }
        match self.list_id {
            Some(list_id) => lists::require(list_id, transaction).await,
            None => Ok(()),
        }
    }
}

async fn index(db: LiveConnection, selection: Selection) -> ApiResult {
    let tasks = task::Entity::find()
        .filter(selection.condition())
        .order_by_asc(task::Column::Id);
    ok(&tasks
        .into_partial_model::<TaskSerializer>()
        .all(&db)
        .await?)
}

async fn create(db: LiveConnection, body: Bytes) -> ApiResult {
    let task: NewTask = parse(&body)?;
    let transaction = begin(&db).await?;
    lists::require(task.list_id, &transaction).await?;
    let task = task.into_active_model()?.insert(&transaction).await?;
    transaction.commit().await?;
    created(&TaskSerializer::from(&task))
}

async fn show(id: i32, db: LiveConnection) -> ApiResult {
    ok(&TaskSerializer::from(&find(id, &db).await?))
}

async fn change(id: i32, db: LiveConnection, body: Bytes) -> ApiResult {
    let changes: Changes = parse(&body)?;
    let transaction = begin(&db).await?;
    // The list first, as wherever both are locked: two that wait for each other would both fail.
    changes.check(&transaction).await?;
    let mut task = hold(id, &transaction).await?.into_active_model();
    // A column that stays equal is not written, and nobody is told that it was.
    if let Some(text) = changes.text {
        task.text.set_if_not_equals(text);
    }
    if let Some(done) = changes.done {
        task.done.set_if_not_equals(done);
    }
    if let Some(list_id) = changes.list_id {
        task.list_id.set_if_not_equals(list_id);
    }
    let task = task.update(&transaction).await?;
    transaction.commit().await?;
    ok(&TaskSerializer::from(&task))
}

async fn remove(id: i32, db: LiveConnection) -> ApiResult {
    let transaction = begin(&db).await?;
    hold(id, &transaction).await?.delete(&transaction).await?;
    transaction.commit().await?;
    no_content()
}

async fn create_many(db: LiveConnection, body: Bytes) -> ApiResult {
    let tasks: Vec<NewTask> = parse_all(&body)?;
    if tasks.is_empty() {
        return created(&[(); 0]);
    }
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
        lists::require(list_id, &transaction).await?;
    }
    let tasks = tasks
        .into_iter()
        .map(NewTask::into_active_model)
        .collect::<Result<Vec<_>, _>>()?;
    let tasks = task::Entity::live_insert_many(tasks)
        .exec_with_returning(&transaction)
        .await?;
    transaction.commit().await?;
    created(&tasks.iter().map(TaskSerializer::from).collect::<Vec<_>>())
}

async fn change_many(db: LiveConnection, selection: Selection, body: Bytes) -> ApiResult {
    let condition = selection.explicit()?;
    let changes: Changes = parse(&body)?;
    let transaction = begin(&db).await?;
    changes.check(&transaction).await?;
    let task = task::ActiveModel {
        text: changes.text.map(Set).unwrap_or_default(),
        done: changes.done.map(Set).unwrap_or_default(),
        list_id: changes.list_id.map(Set).unwrap_or_default(),
        ..Default::default()
    };
    if !task.is_changed() {
        return Err(ApiError::bad(
            "say what to change: `text`, `done` or `list_id`",
        ));
    }
    // It may set the list, and SeaORM's own `update_many` does not know which rows leave which one.
    let result = task::Entity::live_update_many()
        .set(task)
        .filter(condition)
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    ok(&json!({ "affected": result.rows_affected }))
}

async fn remove_many(db: LiveConnection, selection: Selection) -> ApiResult {
    let result = task::Entity::live_delete_many()
        .filter(selection.explicit()?)
        .exec(&db)
        .await?;
    ok(&json!({ "affected": result.rows_affected }))
}

async fn find(id: i32, db: &impl ConnectionTrait) -> Result<task::Model, ApiError> {
    task::Entity::find_by_id(id)
        .one(db)
        .await?
        .ok_or_else(|| ApiError::missing("task", id))
}

/// Finds a task that nobody else writes until the transaction ends.
async fn hold(id: i32, transaction: &LiveTransaction) -> Result<task::Model, ApiError> {
    let task = task::Entity::find_by_id(id)
        .lock_exclusive()
        .one(transaction)
        .await?;
    task.ok_or_else(|| ApiError::missing("task", id))
}
