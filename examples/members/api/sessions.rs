//! `/api/login`, `/api/token`, `/api/logout`, `/api/session`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    get,
    http::{StatusCode, header::SET_COOKIE},
    hyper::body::Bytes,
    path, post,
    reply::{json, with_header},
};

use super::{App, check_name, failed, sign_in_first, viewer};
use crate::{
    session::Session,
    shared::rest::{ApiError, ApiResult, body, parse},
    viewer::Viewer,
};

/// The cookie is out of reach of scripts (`HttpOnly`), and other sites cannot send it with their
/// writes (`SameSite`). Behind TLS, add `Secure`.
pub const COOKIE: &str = "session";
const FLAGS: &str = "Path=/; HttpOnly; SameSite=Lax";

pub fn routes(app: &App) -> BoxedFilter<(impl Reply + use<>,)> {
    let viewer = viewer(&app.accounts);
    let app = app.clone();
    let app = warp::any().map(move || app.clone());
    let old = warp::cookie::optional(COOKIE);
    let login_path = path!("api" / "login").and(post());
    let token_path = path!("api" / "token").and(post());
    let logout_path = path!("api" / "logout").and(post());
    let session_path = path!("api" / "session").and(get());
    (login_path.and(app.clone()).and(old).and(body()).then(login))
        .or(token_path.and(app.clone()).and(body()).then(token))
        .or(logout_path.and(app).and(viewer.clone()).then(logout))
        .or(session_path.and(viewer).then(show))
        .boxed()
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// Signs in by cookie.
async fn login(app: App, old: Option<String>, body: Bytes) -> ApiResult<impl Reply> {
    let Login { name } = parse(&body)?;
    let session = begin(&app, name.clone())?;
    if let Some(old) = old.and_then(|old| app.accounts.sessions.find(&old)) {
        end(&app, &old);
    }
    let cookie = format!("{COOKIE}={session}; {FLAGS}");
    let name = json(&json!({ "name": name }));
    Ok(with_header(name, SET_COOKIE, cookie))
}

#[derive(Deserialize)]
struct TokenRequest {
    /// Signs in as this person.
    name: Option<String>,
    /// The session for which the page needs another token.
    session: Option<String>,
}

/// Signs in without a cookie. The page keeps the id of the session, and sends it for each token.
async fn token(app: App, body: Bytes) -> ApiResult<impl Reply> {
    let TokenRequest { name, session } = parse(&body)?;
    let id = match (session, name) {
        (Some(session), _) => session,
        (None, Some(name)) => begin(&app, name)?,
        (None, None) => return Err(ApiError::bad_request("`name` or `session` is missing")),
    };
    let session = app.accounts.sessions.find(&id).ok_or_else(sign_in_first)?;
    let token = app.accounts.tokens.issue(session).map_err(no_random)?;
    Ok(json(&json!({ "session": id, "token": token })))
}

async fn logout(app: App, viewer: Viewer) -> impl Reply {
    if let Some(session) = viewer.session() {
        end(&app, session);
    }
    let cookie = format!("{COOKIE}=; {FLAGS}; Max-Age=0");
    with_header(StatusCode::NO_CONTENT, SET_COOKIE, cookie)
}

fn begin(app: &App, name: String) -> ApiResult<String> {
    check_name(&name)?;
    app.accounts.sessions.begin(name).map_err(no_random)
}

/// Ends a session and closes its websockets.
fn end(app: &App, session: &Arc<Session>) {
    app.accounts.sessions.end(session);
    // NEW: closes the connections of a user.
    app.live.disconnect(|viewer| viewer.is_of(session));
}

fn no_random(error: getrandom::Error) -> ApiError {
    tracing::error!(%error, "no random id could be created: the client receives status 500");
    failed()
}

async fn show(viewer: Viewer) -> impl Reply {
    json(&json!({ "name": viewer.name() }))
}
