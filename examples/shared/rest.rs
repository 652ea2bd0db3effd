//! What REST routes have in common: errors, bodies, rows by id, transactions.

use std::convert::Infallible;

use rest_live::{LiveConnection, LiveTransaction, warp::SignInError};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, PrimaryKeyTrait, QuerySelect, SqliteTransactionMode,
    TransactionOptions, TransactionTrait, sea_query::LockType,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use warp::{
    Filter, Rejection, Reply,
    http::StatusCode,
    hyper::body::Bytes,
    reject,
    reply::{Json, Response, WithStatus, json, with_status},
};

/// Maximum size of a request's body, in bytes.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// Maximum length of a text, in characters.
const MAX_TEXT_CHARS: usize = 1000;

pub type ApiResult<T> = Result<T, ApiError>;

/// A request that failed: the client receives `{"error":"..."}` with the status.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn no_row(table: &str, id: i32) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {table} {id}"))
    }

    /// Turns 404 into 400. Call it if the body names the missing list: then the path is not wrong.
    pub fn of_list_id(self, id: i32) -> Self {
        if self.status == StatusCode::NOT_FOUND {
            Self::bad_request(format!("`list_id` is {id}, but there is no list {id}"))
        } else {
            self
        }
    }
}

impl From<DbErr> for ApiError {
    fn from(error: DbErr) -> Self {
        tracing::error!(%error, "a database query failed: the client receives status 500");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "a database query failed")
    }
}

impl Reply for ApiError {
    fn into_response(self) -> Response {
        let body = json(&json!({ "error": self.message }));
        with_status(body, self.status).into_response()
    }
}

/// Answers a request that no route accepted.
pub async fn explain(rejection: Rejection) -> Result<ApiError, Infallible> {
    let (status, message) = if rejection.is_not_found() {
        (StatusCode::NOT_FOUND, "this path does not exist".to_owned())
    } else if let Some(error) = rejection.find::<SignInError>() {
        (error.status(), error.to_string())
    } else if let Some(error) = rejection.find::<reject::PayloadTooLarge>() {
        (StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
    } else if let Some(error) = rejection.find::<reject::LengthRequired>() {
        (StatusCode::LENGTH_REQUIRED, error.to_string())
    } else if let Some(error) = rejection.find::<reject::InvalidQuery>() {
        (StatusCode::BAD_REQUEST, error.to_string())
    } else if rejection.find::<reject::MissingHeader>().is_some()
        || rejection.find::<reject::InvalidHeader>().is_some()
    {
        let message = "this is a websocket: connect with a websocket client";
        (StatusCode::BAD_REQUEST, message.to_owned())
    } else if rejection.find::<reject::MethodNotAllowed>().is_some() {
        let message = "this path does not support this method";
        (StatusCode::METHOD_NOT_ALLOWED, message.to_owned())
    } else {
        tracing::error!(
            ?rejection,
            "a request failed: the client receives status 500"
        );
        let message = "the server failed";
        (StatusCode::INTERNAL_SERVER_ERROR, message.to_owned())
    };
    Ok(ApiError::new(status, message))
}

/// Extracts the body of a request. `warp::body::json` would refuse the content type of `curl -d`.
pub fn body() -> impl Filter<Extract = (Bytes,), Error = Rejection> + Copy {
    warp::body::content_length_limit(MAX_BODY_BYTES).and(warp::body::bytes())
}

/// Parses a JSON object.
pub fn parse<T: DeserializeOwned>(body: &Bytes) -> ApiResult<T> {
    parse_json(body).and_then(from_object)
}

/// Parses a JSON array of objects.
pub fn parse_all<T: DeserializeOwned>(body: &Bytes) -> ApiResult<Vec<T>> {
    let objects: Vec<_> = parse_json(body)?;
    objects.into_iter().map(from_object).collect()
}

fn parse_json<T: DeserializeOwned>(body: &Bytes) -> ApiResult<T> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the body is not as expected: {error}")))
}

/// serde alone would also read a struct from an array of its fields.
fn from_object<T: DeserializeOwned>(object: Map<String, Value>) -> ApiResult<T> {
    serde_json::from_value(object.into()).map_err(|error| ApiError::bad_request(error.to_string()))
}

/// Checks a text that a user wrote. PostgreSQL cannot store a NUL.
pub fn check_text(field: &str, text: &str) -> ApiResult<()> {
    let length = text.chars().count();
    let problem = if text.trim().is_empty() {
        "is blank".to_owned()
    } else if text.contains('\0') {
        "contains a NUL character".to_owned()
    } else if length > MAX_TEXT_CHARS {
        format!("has {length} characters: at most {MAX_TEXT_CHARS} are allowed")
    } else {
        return Ok(());
    };
    Err(ApiError::bad_request(format!("`{field}` {problem}")))
}

pub fn created(row: &impl Serialize) -> WithStatus<Json> {
    with_status(json(row), StatusCode::CREATED)
}

/// Begins a transaction that reads before it writes. In SQLite, such a transaction fails if another
/// transaction writes first. With the mode `IMMEDIATE` it waits instead. Other databases ignore the
/// mode.
pub async fn begin(db: &LiveConnection) -> ApiResult<LiveTransaction> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    Ok(db.begin_with_options(options).await?)
}

/// Finds a row by its id, or fails with 404.
pub async fn find<E>(id: i32, db: &impl ConnectionTrait) -> ApiResult<E::Model>
where
    E: EntityTrait,
    E::PrimaryKey: PrimaryKeyTrait<ValueType = i32>,
{
    let row = E::find_by_id(id).one(db).await?;
    row.ok_or_else(|| ApiError::no_row(E::default().table_name(), id))
}

/// Finds a row as [`find`] does, and locks it until the transaction ends. SQLite ignores the lock:
/// it has one writer at a time.
pub async fn lock<E>(id: i32, lock: LockType, transaction: &LiveTransaction) -> ApiResult<E::Model>
where
    E: EntityTrait,
    E::PrimaryKey: PrimaryKeyTrait<ValueType = i32>,
{
    let row = E::find_by_id(id).lock(lock).one(transaction).await?;
    row.ok_or_else(|| ApiError::no_row(E::default().table_name(), id))
}
