//! `/api/login`, `/api/logout`, `/api/session`.

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

use super::{App, check_name, failed, viewer};
use crate::{
    shared::rest::{ApiResult, body, parse},
    viewer::Viewer,
};

/// The cookie is out of reach of scripts (`HttpOnly`), and other sites cannot send it with their
/// writes (`SameSite`). Behind TLS, add `Secure`.
pub const COOKIE: &str = "session";
const FLAGS: &str = "Path=/; HttpOnly; SameSite=Lax";

pub fn routes(app: &App) -> BoxedFilter<(impl Reply + use<>,)> {
    let viewer = viewer(app);
    let app = app.clone();
    let app = warp::any().map(move || app.clone());
    let token = app.and(warp::cookie::optional(COOKIE));
    let login_path = path!("api" / "login").and(post());
    let logout_path = path!("api" / "logout").and(post());
    let session_path = path!("api" / "session").and(get());
    (login_path.and(token.clone()).and(body()).then(login))
        .or(logout_path.and(token).then(logout))
        .or(session_path.and(viewer).then(show))
        .boxed()
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

async fn login(app: App, old: Option<String>, body: Bytes) -> ApiResult<impl Reply> {
    let Login { name } = parse(&body)?;
    check_name(&name)?;
    let token = app.sessions.begin(name.clone()).map_err(|error| {
        tracing::error!(%error, "no session token could be created: the client receives status 500");
        failed()
    })?;
    end(&app, old);
    let cookie = format!("{COOKIE}={token}; {FLAGS}");
    let name = json(&json!({ "name": name }));
    Ok(with_header(name, SET_COOKIE, cookie))
}

async fn logout(app: App, old: Option<String>) -> ApiResult<impl Reply> {
    end(&app, old);
    let cookie = format!("{COOKIE}=; {FLAGS}; Max-Age=0");
    Ok(with_header(StatusCode::NO_CONTENT, SET_COOKIE, cookie))
}

/// Ends a session and closes its websockets.
fn end(app: &App, token: Option<String>) {
    if let Some(session) = token.and_then(|token| app.sessions.end(&token)) {
        // NEW: closes the connections of a user.
        app.live.disconnect(|viewer| viewer.is_of(&session));
    }
}

async fn show(viewer: Viewer) -> impl Reply {
    json(&json!({ "name": viewer.name() }))
}
