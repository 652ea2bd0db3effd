//! The REST API and the page: warp routes as any application has them.

mod error;
mod lists;
mod members;
mod sessions;
mod tasks;

use std::{convert::Infallible, sync::Arc};

use rest_live::{Live, LiveConnection, LiveTransaction};
use sea_orm::{DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::sync::OwnedRwLockReadGuard;
use warp::{
    Filter, Rejection, Reply,
    filters::BoxedFilter,
    http::StatusCode,
    hyper::body::Bytes,
    reply::{Response, json, with_status},
};

pub use self::error::{ApiError, explain};
use crate::{
    access::{Access, Changing},
    session::Sessions,
    viewer::Viewer,
};

/// The largest request body, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// What the application is made of.
#[derive(Clone)]
pub struct App {
    pub live: Live<Viewer>,
    pub access: Arc<Access>,
    pub sessions: Arc<Sessions>,
}

/// The page and everything under `/api`.
pub fn routes(app: &App) -> BoxedFilter<(Response,)> {
    let page = warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(include_str!("page.html")).into_response());
    page.or(sessions::routes(app))
        .unify()
        .or(lists::routes(app))
        .unify()
        .or(members::routes(app))
        .unify()
        .or(tasks::routes(app))
        .unify()
        .boxed()
}

/// Says who asks, to REST and to the websocket. A session that is over is no session.
pub fn viewer(
    app: &App,
) -> impl Filter<Extract = (Viewer,), Error = Infallible> + Clone + Send + Sync + 'static + use<> {
    let app = app.clone();
    warp::cookie::optional(sessions::COOKIE).map(move |token: Option<String>| {
        let session = token.and_then(|token| app.sessions.find(&token));
        Viewer::new(session, Arc::clone(&app.access))
    })
}

type ApiResult = Result<Response, ApiError>;

/// A request that reads or writes rows, while nobody changes who may see them.
struct Request {
    db: LiveConnection,
    viewer: Viewer,
    _steady: OwnedRwLockReadGuard<()>,
}

/// Comes last in a route: who sends a body slowly must not keep others waiting.
fn request(
    app: &App,
) -> impl Filter<Extract = (Request,), Error = Infallible> + Clone + Send + Sync + 'static + use<> {
    let app = app.clone();
    viewer(&app).then(move |viewer| {
        let app = app.clone();
        async move {
            Request {
                db: app.live.db(),
                viewer,
                _steady: app.access.steady().await,
            }
        }
    })
}

/// A request that changes who may see what, while there is no other. Its route ends in [`whole`].
struct Change {
    app: App,
    db: LiveConnection,
    viewer: Viewer,
    changing: Changing,
}

/// Comes last in a route, as [`request`].
fn change(
    app: &App,
) -> impl Filter<Extract = (Change,), Error = Infallible> + Clone + Send + Sync + 'static + use<> {
    let app = app.clone();
    viewer(&app).then(move |viewer| {
        let app = app.clone();
        async move {
            Change {
                db: app.live.db(),
                viewer,
                changing: Arc::clone(&app.access).change().await,
                app,
            }
        }
    })
}

/// Does all of it, even if the client hangs up in between: who was removed in the database must be
/// removed in memory.
async fn whole(change: impl Future<Output = ApiResult> + Send + 'static) -> Response {
    let done = tokio::spawn(change).await;
    answer(done.unwrap_or_else(|_| Err(ApiError::failed())))
}

/// Hands something to a handler.
fn with<T: Clone + Send>(
    value: &T,
) -> impl Filter<Extract = (T,), Error = Infallible> + Clone + use<T> {
    let value = value.clone();
    warp::any().map(move || value.clone())
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
async fn begin(db: &LiveConnection) -> Result<LiveTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    db.begin_with_options(options).await
}

/// A text that people write: neither blank nor a book.
fn check_text(field: &str, text: &str) -> Result<(), ApiError> {
    match text.chars().count() {
        _ if text.trim().is_empty() => Err(ApiError::bad(format!("`{field}` is blank"))),
        count if count > 1000 => Err(ApiError::bad(format!(
            "`{field}` has {count} characters: at most 1000"
        ))),
        _ => Ok(()),
    }
}

/// The name of a person, which is part of URLs.
fn check_name(name: &str) -> Result<(), ApiError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=40).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(ApiError::bad(
        "a name is 1 to 40 letters (a to z), digits, `-` and `_`",
    ))
}
