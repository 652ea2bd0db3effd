//! `/api/login`, `/api/logout`, `/api/session`.

use serde::Deserialize;
use serde_json::json;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderValue, header::SET_COOKIE},
    hyper::body::Bytes,
    reply::Response,
};

use super::{
    ApiError, ApiResult, App, answer, body, check_name, no_content, ok, parse, viewer, with,
};
use crate::viewer::Viewer;

/// Scripts cannot read it (`HttpOnly`), and pages of other sites cannot write in its name (`SameSite`).
/// Behind TLS it would be `Secure`, too.
pub const COOKIE: &str = "session";
const FLAGS: &str = "Path=/; HttpOnly; SameSite=Lax";

pub fn routes(app: &App) -> BoxedFilter<(Response,)> {
    let old = warp::cookie::optional(COOKIE);
    let login = warp::path!("api" / "login")
        .and(warp::post())
        .and(with(app))
        .and(old)
        .and(body())
        .then(login)
        .map(answer);
    let logout = warp::path!("api" / "logout")
        .and(warp::post())
        .and(with(app))
        .and(old)
        .then(logout)
        .map(answer);
    let show = warp::path!("api" / "session")
        .and(warp::get())
        .and(viewer(app))
        .then(show)
        .map(answer);
    login.or(logout).unify().or(show).unify().boxed()
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

async fn login(app: App, old: Option<String>, body: Bytes) -> ApiResult {
    let Login { name } = parse(&body)?;
    check_name(&name)?;
    let token = app.sessions.begin(name.clone());
    let token = token.map_err(|error| {
        tracing::error!(%error, "no session can be made");
        ApiError::failed()
    })?;
    end(&app, old);
    set_cookie(
        ok(&json!({ "name": name }))?,
        &format!("{COOKIE}={token}; {FLAGS}"),
    )
}

async fn logout(app: App, old: Option<String>) -> ApiResult {
    end(&app, old);
    set_cookie(no_content()?, &format!("{COOKIE}=; {FLAGS}; Max-Age=0"))
}

/// Ends a session and its websockets.
fn end(app: &App, token: Option<String>) {
    if let Some(session) = token.and_then(|token| app.sessions.end(&token)) {
        app.live.disconnect(|viewer| viewer.is_of(&session));
    }
}

async fn show(viewer: Viewer) -> ApiResult {
    ok(&json!({ "name": viewer.name() }))
}

fn set_cookie(mut response: Response, cookie: &str) -> ApiResult {
    let cookie = HeaderValue::from_str(cookie).map_err(|_| ApiError::failed())?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}
