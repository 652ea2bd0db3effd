//! A request to the log whose answer several callers share.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// Shares the answers of a request. At most one request runs at a time, so that thousands of
/// clients that come at once cost the log a few requests.
#[derive(Debug)]
pub(crate) struct SharedRequest<T> {
    /// Number of requests that have begun.
    begun: AtomicU64,
    /// The last answer, and the number of its request.
    last: Mutex<Option<(u64, T)>>,
}

impl<T> Default for SharedRequest<T> {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }
}

impl<T: Clone> SharedRequest<T> {
    /// Returns the answer of a request that began after this call: of `request`, or of another
    /// caller's.
    ///
    /// # Cancel safety
    /// Safe: a caller that waits then makes the request.
    pub(crate) async fn answer(&self, request: impl Future<Output = T>) -> T {
        let seen = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((number, answer)) = &*last
            && *number > seen
        {
            return answer.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = request.await;
        *last = Some((number, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{
        FutureExt,
        future::{join_all, pending, ready},
    };
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn callers_share_a_later_request() {
        let shared = SharedRequest::default();
        let requests = AtomicU64::new(0);
        let ask = || {
            shared.answer(async {
                let number = requests.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
                number
            })
        };
        // All calls begin before the first request does.
        let answers = join_all((0..100).map(|_| ask())).await;
        assert_eq!(requests.load(Ordering::SeqCst), 2, "{answers:?}");
        assert_eq!(answers[0], 0);
        assert!(answers[1..].iter().all(|answer| *answer == 1));
        assert_eq!(ask().await, 2);
    }

    #[tokio::test]
    async fn dropped_request_is_made_again() {
        let shared = SharedRequest::default();
        assert!(shared.answer(pending::<u32>()).now_or_never().is_none());
        assert_eq!(shared.answer(ready(7)).await, 7);
    }
}
