//! The page and the REST API.

mod lists;
mod members;
mod sessions;
mod tasks;

use std::sync::Arc;

use rest_live::{Live, LiveConnection};
use tokio::sync::OwnedRwLockReadGuard;
use warp::{Filter, Reply, filters::BoxedFilter, http::StatusCode};

use crate::{
    access::{Access, AccessChange},
    session::Sessions,
    shared::rest::{ApiError, ApiResult},
    viewer::Viewer,
};

/// The parts of the application.
#[derive(Clone)]
pub struct App {
    pub live: Live<Viewer>,
    pub access: Arc<Access>,
    pub sessions: Arc<Sessions>,
}

pub fn routes(app: &App) -> BoxedFilter<(impl Reply + use<>,)> {
    let page = || warp::reply::html(include_str!("page.html"));
    (warp::path::end().and(warp::get()).map(page))
        .or(sessions::routes(app))
        .or(lists::routes(app))
        .or(members::routes(app))
        .or(tasks::routes(app))
        .boxed()
}

/// Extracts the user of a request or of a websocket. If the session has ended, the user is
/// anonymous.
pub fn viewer(app: &App) -> BoxedFilter<(Viewer,)> {
    let app = app.clone();
    warp::cookie::optional(sessions::COOKIE)
        .map(move |token: Option<String>| {
            let session = token.and_then(|token| app.sessions.find(&token));
            Viewer::new(session, Arc::clone(&app.access))
        })
        .boxed()
}

/// A request that reads or writes rows. While it lasts, no request changes who may see them.
struct Request {
    db: LiveConnection,
    viewer: Viewer,
    _access: OwnedRwLockReadGuard<()>,
}

/// Extracts a [`Request`]. It must come last in a route: a client that sends its body slowly must
/// not make other requests wait.
fn request(app: &App) -> BoxedFilter<(Request,)> {
    let app = app.clone();
    let request = async |app: App, viewer| Request {
        db: app.live.db(),
        viewer,
        _access: app.access.hold().await,
    };
    viewer(&app)
        .then(move |viewer| request(app.clone(), viewer))
        .boxed()
}

/// A request that changes who may see what. While it lasts, there is no other request.
struct ChangeRequest {
    app: App,
    db: LiveConnection,
    viewer: Viewer,
    access: AccessChange,
}

/// Extracts a [`ChangeRequest`]. It comes last in a route, followed by [`uninterrupted`].
fn change_request(app: &App) -> BoxedFilter<(ChangeRequest,)> {
    let app = app.clone();
    let request = async |app: App, viewer| ChangeRequest {
        db: app.live.db(),
        viewer,
        access: Arc::clone(&app.access).change().await,
        app,
    };
    viewer(&app)
        .then(move |viewer| request(app.clone(), viewer))
        .boxed()
}

/// Completes a change even if the client disconnects: a member who was removed from the database
/// must also be removed from memory.
async fn uninterrupted<R: Reply + 'static>(
    change: impl Future<Output = ApiResult<R>> + Send + 'static,
) -> ApiResult<R> {
    tokio::spawn(change).await.map_err(|_| failed())?
}

fn sign_in_first() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "sign in first: POST /api/login")
}

fn failed() -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed")
}

/// Checks the name of a person, which is a part of URLs.
fn check_name(name: &str) -> ApiResult<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=40).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "a name must have 1 to 40 characters: letters (a to z), digits, `-` or `_`",
    ))
}
