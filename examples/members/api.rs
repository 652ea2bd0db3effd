//! The page and the REST API.

mod lists;
mod members;
mod sessions;
mod tasks;

use std::{future::ready, sync::Arc, time::SystemTime};

use rest_live::{
    Live, LiveConnection,
    transport::Handshake,
    warp::{SignInError, bearer_token},
};
use tokio::sync::OwnedRwLockReadGuard;
use warp::{Filter, Rejection, Reply, filters::BoxedFilter, http::StatusCode};

use crate::{
    access::{Access, AccessChange},
    session::Sessions,
    shared::rest::{ApiError, ApiResult},
    token::Tokens,
    viewer::Viewer,
};

/// The parts of the application.
#[derive(Clone)]
pub struct App {
    pub live: Live<Viewer>,
    pub accounts: Accounts,
}

/// Who is signed in, and what they may see.
#[derive(Clone)]
pub struct Accounts {
    pub access: Arc<Access>,
    pub sessions: Arc<Sessions>,
    pub tokens: Arc<Tokens>,
}

impl Accounts {
    /// Returns the viewer of a token, and when the token expires.
    pub fn viewer_of(&self, token: &str) -> Result<(Viewer, Option<SystemTime>), SignInError> {
        let token = self
            .tokens
            .find(token)
            .ok_or(SignInError::Unauthenticated)?;
        let viewer = Viewer::new(Some(token.session), Arc::clone(&self.access));
        Ok((viewer, Some(token.expires_at)))
    }

    /// Returns the viewer of a cookie. If the session has ended, the viewer is anonymous.
    fn viewer_of_cookie(&self, session: Option<&str>) -> Viewer {
        let session = session.and_then(|session| self.sessions.find(session));
        Viewer::new(session, Arc::clone(&self.access))
    }
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

/// Extracts the user of a websocket, and when their token expires.
pub fn handshake(accounts: &Accounts) -> BoxedFilter<(Handshake<Viewer>,)> {
    credentials(accounts)
        .map(|(viewer, expires_at)| Handshake::new(viewer).expires_at(expires_at))
        .boxed()
}

/// Extracts the user of a request.
fn viewer(accounts: &Accounts) -> BoxedFilter<(Viewer,)> {
    credentials(accounts).map(|(viewer, _)| viewer).boxed()
}

/// Extracts the user from the token or the cookie of a request, and when the token expires. A
/// request without either is anonymous; a wrong token is an error.
fn credentials(accounts: &Accounts) -> BoxedFilter<((Viewer, Option<SystemTime>),)> {
    let accounts = accounts.clone();
    let find = move |token: Option<String>, session: Option<String>| match token {
        Some(token) => accounts.viewer_of(&token).map_err(Rejection::from),
        None => Ok((accounts.viewer_of_cookie(session.as_deref()), None)),
    };
    bearer_token()
        .and(warp::cookie::optional(sessions::COOKIE))
        .and_then(move |token, session| ready(find(token, session)))
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
        _access: app.accounts.access.hold().await,
    };
    viewer(&app.accounts)
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
        access: Arc::clone(&app.accounts.access).change().await,
        app,
    };
    viewer(&app.accounts)
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
