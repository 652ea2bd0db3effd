//! The log cursor as a header of responses: where a page starts, and where a write ended.

use rest_live_runtime::{Cursor, Live};
use warp::{
    Filter, Rejection, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header::ACCESS_CONTROL_EXPOSE_HEADERS},
    reply::Response,
};

/// The header that contains the cursor.
const LIVE_CURSOR: HeaderName = HeaderName::from_static("live-cursor");

/// An extension of a response whose rows have no known cursor.
#[derive(Clone, Copy)]
struct WithoutCursor;

/// What a request does, by its method.
#[derive(Clone, Copy, PartialEq)]
enum Access {
    Read,
    Write,
    Other,
}

impl Access {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Read,
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE => Self::Write,
            _ => Self::Other,
        }
    }
}

/// Returns a wrapper that adds a `Live-Cursor` header to the responses of routes.
///
/// * For GET, the cursor is read before the route runs its query. A client that subscribes with it
///   as `since` misses no change between its request and its subscription.
/// * For POST, PUT, PATCH and DELETE, the cursor is at or after every event that the request
///   committed. A client of v1 sends it in a `sync` request, and has received its own changes when
///   the answer comes. It is not a `since`. See
///   [`Live::cursor_after_writes`](rest_live_runtime::Live::cursor_after_writes).
///
/// Apply it with [`warp::wrap_fn`]. It also sets `Access-Control-Expose-Headers`, so that pages of
/// other origins can read the header. If the position of the log is not known yet, the header is
/// absent. The client must then fetch again after it has subscribed.
///
/// # Which responses get a cursor
/// Successful responses to GET, and all responses to POST, PUT, PATCH and DELETE: a request that
/// fails may have written before. In particular:
/// * A response that already has a `Live-Cursor` keeps it. A handler that answers from a cache sets
///   it with [`with_stored_cursor`].
/// * A response that [`without_cursor`] returned has none.
/// * Responses to HEAD and responses with status 304 have none: an HTTP cache would attach their
///   header to an older body that it stored.
/// * A write that runs on after its handler has returned, such as one in the body of a streamed
///   response, is not included in the cursor. A rejection of a route has no cursor.
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
        let (live, live_after) = (live.clone(), live.clone());
        warp::method()
            // The cursor must be read before the routes run their queries.
            .map(move |method: Method| match Access::of(&method) {
                Access::Read => (Access::Read, live.cursor()),
                access => (access, None),
            })
            .and(routes.boxed())
            .then(move |(access, fresh): (Access, Option<Cursor>), reply: R| {
                let mut response = reply.into_response();
                let has_cursor = response.headers().contains_key(LIVE_CURSOR);
                let without_cursor = response.extensions_mut().remove::<WithoutCursor>();
                let is_open = !has_cursor && without_cursor.is_none();
                let is_written = is_open && access == Access::Write;
                let written = is_written.then(|| live_after.cursor_after_writes());
                async move {
                    let cursor = match written {
                        Some(written) => written.await,
                        None => fresh.filter(|_| is_open && response.status().is_success()),
                    };
                    if has_cursor {
                        expose_cursor(response.headers_mut());
                    } else {
                        insert_cursor(response.headers_mut(), cursor.as_ref());
                    }
                    response
                }
            })
            .boxed()
    }
}

/// Sets the `Live-Cursor` of a response whose rows were read earlier, such as one from a cache.
///
/// `cursor` is what [`Live::cursor`] returned before the rows were read. Store it with the rows.
/// With `None` the response has no `Live-Cursor`, as from [`without_cursor`]. The client must then
/// fetch again after it has subscribed.
///
/// [`with_cursor`] keeps the header. A route without that wrapper may also use this function.
///
/// ```
/// use rest_live_runtime::Cursor;
/// use rest_live_warp::with_stored_cursor;
///
/// /// What the cache holds: the JSON of a page, and the cursor from before its query.
/// struct Cached {
///     json: String,
///     cursor: Option<Cursor>,
/// }
///
/// fn respond(cached: &Cached) -> warp::reply::Response {
///     with_stored_cursor(cached.json.clone(), cached.cursor.as_ref())
/// }
/// # let epoch = rest_live_runtime::Epoch::named("k3f9");
/// # let cursor = Some(Cursor { epoch, position: 174 });
/// # let response = respond(&Cached { json: "[]".to_owned(), cursor });
/// # assert_eq!(response.headers()["live-cursor"], "k3f9.174");
/// ```
pub fn with_stored_cursor<'c>(
    reply: impl Reply,
    cursor: impl Into<Option<&'c Cursor>>,
) -> Response {
    let mut response = without_cursor(reply);
    insert_cursor(response.headers_mut(), cursor.into());
    response
}

/// Declares that the rows of a response have no known cursor. [`with_cursor`] then adds none, and
/// the client fetches again after it has subscribed.
///
/// Use it for responses that do not come from the database, or that were cached without a cursor.
pub fn without_cursor(reply: impl Reply) -> Response {
    let mut response = reply.into_response();
    response.headers_mut().remove(LIVE_CURSOR);
    response.extensions_mut().insert(WithoutCursor);
    response
}

fn insert_cursor(headers: &mut HeaderMap, cursor: Option<&Cursor>) {
    let Some(cursor) = cursor.and_then(|c| HeaderValue::try_from(c.to_string()).ok()) else {
        return;
    };
    headers.insert(LIVE_CURSOR, cursor);
    expose_cursor(headers);
}

/// Lets pages of other origins read the cursor.
fn expose_cursor(headers: &mut HeaderMap) {
    let is_exposed = headers
        .get_all(ACCESS_CONTROL_EXPOSE_HEADERS)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case(LIVE_CURSOR.as_str()));
    if !is_exposed {
        // Appended, because the application may expose headers of its own.
        headers.append(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Live-Cursor"),
        );
    }
}
