//! [`with_cursor`]: the log cursor as a header on the responses of GET routes.

use rest_live_runtime::{Cursor, Live};
use warp::{
    Filter, Rejection, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header::ACCESS_CONTROL_EXPOSE_HEADERS},
    reply::Response,
};

/// The header that contains the cursor.
const LIVE_CURSOR: HeaderName = HeaderName::from_static("live-cursor");

/// Returns a wrapper that adds a `Live-Cursor` header to the responses of GET routes.
///
/// The cursor is read before the route runs its query. A client that subscribes with it as `since`
/// misses no change between its request and its subscription.
///
/// Apply it with [`warp::wrap_fn`]. It changes neither responses to other methods nor responses
/// that are not successful. It also sets `Access-Control-Expose-Headers`, so that pages of other
/// origins can read the header. If the position of the log is not known yet, the header is absent.
/// The client must then fetch again after it has subscribed.
///
/// The query must see all committed data. A query on a lagging replica may return data older than
/// the cursor.
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
            // The cursor must be read before the routes run their queries.
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
    // Appended, because the application may expose headers of its own.
    headers.append(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Live-Cursor"),
    );
}
