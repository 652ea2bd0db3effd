//! Bounds how many calls of `authorize`, and queries for one row, run at the same time.
//!
//! They use the application's connections. When all clients reconnect at once, they must leave some
//! of these connections to the other requests of the application.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::FutureExt;
use metrics::Gauge;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{error::Elapsed, timeout},
};

/// Gives permits in the order of arrival. A session has at most one request at a time, so each
/// session waits for the same number of others, however many requests it has sent.
pub(crate) struct AuthorizeLimiter {
    /// `None`: no bound.
    permits: Option<Semaphore>,
    /// Lets one request at a time queue for a permit. The others queue here, so a reauthorization
    /// waits for one request at most. Rights that end must not wait for a storm of reconnects.
    turnstile: Semaphore,
    has_timed_out: AtomicBool,
    /// Counts the requests that wait.
    waiting: Gauge,
}

/// Counts a request that waits, until it is dropped.
struct Waiting<'l>(&'l Gauge);

/// Counts as one running call until it is dropped. It holds nothing if there is no bound.
#[derive(Debug)]
#[must_use = "the permit counts until it is dropped"]
pub(crate) struct AuthorizePermit<'l> {
    _permit: Option<SemaphorePermit<'l>>,
    /// Whether the caller has waited for it.
    pub(crate) has_waited: bool,
}

impl AuthorizeLimiter {
    /// Creates a limiter for `max` calls, at least one. `None` is no bound. `waiting` counts the
    /// requests that wait.
    pub(crate) fn new(max: Option<usize>, waiting: Gauge) -> Self {
        let permits = max.map(|max| Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            permits,
            turnstile: Semaphore::new(1),
            has_timed_out: AtomicBool::new(false),
            waiting,
        }
    }

    /// Waits until the request of a session may call.
    ///
    /// # Errors
    /// It would have to wait longer than `wait`.
    ///
    /// # Cancel safety
    /// Safe: a request whose client leaves loses its place.
    pub(crate) async fn admit_request(
        &self,
        wait: Duration,
    ) -> Result<AuthorizePermit<'_>, Elapsed> {
        let mut admitted = pin!(async {
            let _turn = match &self.permits {
                Some(_) => self.turnstile.acquire().await.ok(),
                None => None,
            };
            self.permit().await
        });
        if let Some(permit) = (&mut admitted).now_or_never() {
            return Ok(permit);
        }
        let _waiting = Waiting::new(&self.waiting);
        let permit = timeout(wait, admitted).await?;
        Ok(AuthorizePermit {
            has_waited: true,
            ..permit
        })
    }

    /// Waits until a reauthorization may call. It overtakes the requests that wait.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn admit_reauthorization(&self) -> AuthorizePermit<'_> {
        self.permit().await
    }

    /// Returns whether no request was refused before because it waited too long.
    pub(crate) fn is_first_timeout(&self) -> bool {
        !self.has_timed_out.swap(true, Ordering::Relaxed)
    }

    async fn permit(&self) -> AuthorizePermit<'_> {
        let permit = match &self.permits {
            // The semaphore is never closed, so this is no error.
            Some(permits) => permits.acquire().await.ok(),
            None => None,
        };
        AuthorizePermit {
            _permit: permit,
            has_waited: false,
        }
    }
}

impl<'l> Waiting<'l> {
    fn new(gauge: &'l Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(max: Option<usize>) -> AuthorizeLimiter {
        AuthorizeLimiter::new(max, Gauge::noop())
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn requests_are_admitted_in_order() {
        let limiter = limiter(Some(2));
        let first = limiter.admit_request(LONG).await.expect("a permit");
        let second = limiter.admit_request(LONG).await.expect("a permit");
        let mut third = pin!(limiter.admit_request(LONG));
        let mut fourth = pin!(limiter.admit_request(LONG));
        assert!((&mut third).now_or_never().is_none());
        assert!((&mut fourth).now_or_never().is_none());
        drop(second);
        assert!((&mut fourth).now_or_never().is_none(), "the third is first");
        let third = (&mut third).now_or_never().expect("a permit is free");
        assert!((&mut fourth).now_or_never().is_none());
        drop((first, third));
        assert!(fourth.now_or_never().is_some());
    }

    #[tokio::test]
    async fn reauthorization_overtakes_waiting_requests() {
        let limiter = limiter(Some(1));
        let running = limiter.admit_request(LONG).await.expect("a permit");
        let mut requests = [(); 3].map(|()| Box::pin(limiter.admit_request(LONG)));
        for request in &mut requests {
            assert!(request.now_or_never().is_none());
        }
        let mut reauthorization = pin!(limiter.admit_reauthorization());
        assert!((&mut reauthorization).now_or_never().is_none());
        drop(running);
        let [first, second, _] = &mut requests;
        let first = first.now_or_never().expect("it came first");
        assert!(second.now_or_never().is_none());
        drop(first);
        assert!(reauthorization.now_or_never().is_some());
    }

    #[tokio::test]
    async fn request_that_leaves_loses_its_place() {
        let limiter = limiter(Some(1));
        let running = limiter.admit_request(LONG).await.expect("a permit");
        for _ in 0..3 {
            let mut leaving = Box::pin(limiter.admit_request(LONG));
            assert!((&mut leaving).now_or_never().is_none());
        }
        let mut staying = pin!(limiter.admit_request(LONG));
        assert!((&mut staying).now_or_never().is_none());
        drop(running);
        assert!(staying.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn request_does_not_wait_for_ever() {
        let limiter = limiter(Some(1));
        let running = limiter.admit_request(LONG).await.expect("a permit");
        let wait = Duration::from_secs(3);
        assert!(limiter.admit_request(wait).await.is_err());
        drop(running);
        assert!(limiter.admit_request(wait).await.is_ok());
    }

    #[tokio::test]
    async fn without_a_bound_nothing_waits() {
        let limiter = limiter(None);
        let permits: Vec<_> = (0..100)
            .map(|_| limiter.admit_request(LONG).now_or_never())
            .collect();
        assert!(permits.iter().all(Option::is_some));
    }
}
