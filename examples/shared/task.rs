//! A task of a list: its table, and what requests say about tasks.

use sea_orm::{Condition, entity::prelude::*};
use serde::Deserialize;

use super::rest::{ApiError, ApiResult, check_text};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    // In MySQL and MariaDB, a string column holds 255 characters by default.
    #[sea_orm(column_type = "String(StringLen::N(1000))")]
    pub text: String,
    pub done: bool,
    // Not a foreign key: moving tasks to a missing list shows what a rollback does to changes.
    #[sea_orm(indexed)]
    pub list_id: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

// NEW: no `impl ActiveModelBehavior for ActiveModel {}`: `#[subscribable]` writes it.

/// The body of a request that creates a task.
#[derive(Deserialize, DeriveIntoActiveModel)]
pub struct NewTask {
    pub text: String,
    pub list_id: i32,
    #[serde(default)]
    pub done: bool,
}

impl NewTask {
    pub fn check(&self) -> ApiResult<()> {
        check_text("text", &self.text)
    }

    /// Checks the tasks of one request.
    pub fn check_all(tasks: &[Self], max: usize) -> ApiResult<()> {
        if tasks.len() > max {
            return Err(ApiError::bad_request(format!(
                "one request can insert at most {max} tasks, but this one has {}",
                tasks.len()
            )));
        }
        tasks.iter().try_for_each(Self::check)
    }
}

/// The body of a request that changes one or several tasks.
#[derive(Clone, Deserialize)]
pub struct TaskChanges {
    pub text: Option<String>,
    pub done: Option<bool>,
    pub list_id: Option<i32>,
}

impl TaskChanges {
    pub fn check(&self) -> ApiResult<()> {
        self.text
            .as_ref()
            .map_or(Ok(()), |text| check_text("text", text))
    }

    /// Fails unless there is a change.
    pub fn require_any(&self) -> ApiResult<()> {
        if self.text.is_none() && self.done.is_none() && self.list_id.is_none() {
            return Err(ApiError::bad_request(
                "the body must contain a change: `text`, `done` or `list_id`",
            ));
        }
        Ok(())
    }

    /// Sets the columns that change. If a column keeps its value, it is not written, and no client
    /// receives a message.
    pub fn apply(self, mut task: ActiveModel) -> ActiveModel {
        if let Some(text) = self.text {
            task.text.set_if_not_equals(text);
        }
        if let Some(done) = self.done {
            task.done.set_if_not_equals(done);
        }
        if let Some(list_id) = self.list_id {
            task.list_id.set_if_not_equals(list_id);
        }
        task
    }
}

/// The tasks that a query string selects: `?list_id=1&done=true`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)] // a misspelled filter must not select all tasks
pub struct Selection {
    pub list_id: Option<i32>,
    pub done: Option<bool>,
}

impl Selection {
    pub fn condition(&self) -> Condition {
        Condition::all()
            .add_option(self.list_id.map(|id| Column::ListId.eq(id)))
            .add_option(self.done.map(|done| Column::Done.eq(done)))
    }

    /// Returns the condition of a request that changes tasks. Fails if the URL has no filter: such
    /// a request must not change all tasks.
    pub fn explicit(&self) -> ApiResult<Condition> {
        if self.list_id.is_none() && self.done.is_none() {
            return Err(ApiError::bad_request(
                "the URL must select the tasks: ?list_id=1, ?done=true or both",
            ));
        }
        Ok(self.condition())
    }
}
