//! The REST API and the page: warp routes as any application has them.

mod error;
mod lists;
mod tasks;

use rest_live::LiveConnection;
use sea_orm::{DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use warp::{
    Filter, Rejection, Reply,
    filters::BoxedFilter,
    http::StatusCode,
    hyper::body::Bytes,
    reply::{Response, json, with_status},
};

pub use self::error::{ApiError, explain};

/// The largest request body, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// The page and everything under `/api`.
pub fn routes(db: &LiveConnection) -> BoxedFilter<(Response,)> {
    let page = warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(include_str!("page.html")).into_response());
    page.or(lists::routes(db))
        .unify()
        .or(tasks::routes(db))
        .unify()
        .boxed()
}

type ApiResult = Result<Response, ApiError>;

/// Hands the connection to a handler.
fn with(
    db: &LiveConnection,
) -> impl Filter<Extract = (LiveConnection,), Error = std::convert::Infallible> + Clone + use<> {
    let db = db.clone();
    warp::any().map(move || db.clone())
}

/// Hands the body of a request to a handler, which reads it with [`parse`].
fn body() -> impl Filter<Extract = (Bytes,), Error = Rejection> + Copy {
    warp::body::content_length_limit(MOST_BYTES).and(warp::body::bytes())
}

/// Reads an object. Left alone, serde would take an array for a struct, field by field.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    parse_json(body).and_then(object)
}

fn parse_all<T: DeserializeOwned>(body: &Bytes) -> Result<Vec<T>, ApiError> {
    parse_json::<Vec<_>>(body)?
        .into_iter()
        .map(object)
        .collect()
}

fn object<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, ApiError> {
    serde_json::from_value(object.into()).map_err(|error| ApiError::bad(error.to_string()))
}

fn parse_json<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad(format!("the body is not what is expected: {error}")))
}

/// Ends a route: errors become responses.
fn answer(result: ApiResult) -> Response {
    result.unwrap_or_else(ApiError::into_response)
}

fn ok(value: &impl Serialize) -> ApiResult {
    Ok(json(value).into_response())
}

fn created(value: &impl Serialize) -> ApiResult {
    Ok(with_status(json(value), StatusCode::CREATED).into_response())
}

fn no_content() -> ApiResult {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Begins a transaction that reads before it writes. SQLite would let it begin as a reader, and
/// fail if another writes in between; `IMMEDIATE` makes it wait its turn. Other databases ignore it.
async fn begin(db: &LiveConnection) -> Result<rest_live::LiveTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    db.begin_with_options(options).await
}

/// A text that people write: neither blank nor a book, nor with a character that PostgreSQL has no place for.
fn check_text(field: &str, text: &str) -> Result<(), ApiError> {
    match text.chars().count() {
        _ if text.trim().is_empty() => Err(ApiError::bad(format!("`{field}` is blank"))),
        _ if text.contains('\0') => Err(ApiError::bad(format!("`{field}` has a NUL in it"))),
        count if count > 1000 => Err(ApiError::bad(format!(
            "`{field}` has {count} characters: at most 1000"
        ))),
        _ => Ok(()),
    }
}
