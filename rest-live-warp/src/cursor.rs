//! The cursor beside what a GET returns.

use rest_live_runtime::{Cursor, Live};
use warp::{
    Filter, Rejection, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header::ACCESS_CONTROL_EXPOSE_HEADERS},
    reply::Response,
};

/// The header that a cursor stands in.
const LIVE_CURSOR: HeaderName = HeaderName::from_static("live-cursor");

/// Returns what puts a `Live-Cursor` on the responses of GET routes: a place in the log from before their query. A client that
/// subscribes `since` it misses nothing of what happens between its request and its subscription.
///
/// It goes around routes by [`warp::wrap_fn`]. Requests of other methods pass, and responses that are no success.
/// Browsers may read it (`Access-Control-Expose-Headers`). While the log cannot say where it is there is no header, and a client
/// fetches again once it has subscribed.
///
/// The query must see what is committed: one to a replica that lags behind is older than the cursor.
///
/// ```no_run
/// # async fn run(live: rest_live_runtime::Live) {
/// use warp::Filter;
///
/// let tasks = warp::path!("tasks").and(warp::get()).map(|| "[]");
/// let tasks = tasks.with(warp::wrap_fn(rest_live_warp::with_cursor(&live)));
/// warp::serve(tasks).run(([127, 0, 0, 1], 3030)).await;
/// # }
/// ```
pub fn with_cursor<U, F, R>(
    live: &Live<U>,
) -> impl Fn(F) -> BoxedFilter<(Response,)> + Clone + Send + Sync + 'static + use<U, F, R>
where
    U: Send + Sync + 'static,
    F: Filter<Extract = (R,)> + Clone + Send + Sync + 'static,
    F::Error: Into<Rejection>,
    R: Reply + 'static,
{
    let live = live.clone();
    move |routes: F| {
        let live = live.clone();
        warp::method()
            // Before the routes run.
            .map(move |method: Method| match method {
                Method::GET | Method::HEAD => live.cursor(),
                _ => None,
            })
            .and(routes.boxed())
            .map(|cursor: Option<Cursor>, reply: R| {
                let mut response = reply.into_response();
                let cursor = cursor.filter(|_| response.status().is_success());
                if let Some(cursor) = cursor.and_then(|c| HeaderValue::try_from(c.to_string()).ok())
                {
                    insert_cursor(response.headers_mut(), cursor);
                }
                response
            })
            .boxed()
    }
}

fn insert_cursor(headers: &mut HeaderMap, cursor: HeaderValue) {
    headers.insert(LIVE_CURSOR, cursor);
    // Beside those that the application exposes.
    headers.append(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Live-Cursor"),
    );
}
