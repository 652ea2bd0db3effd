//! A tail that is read at once while this node has a subscription, and otherwise now and then.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::{sync::watch, time::timeout};

/// How long events may stay unread while this node has no subscription. Waking the reader for each
/// write would cost the writer more time than capture does, and a log keeps many times the events
/// of this interval.
const IDLE_INTERVAL: Duration = Duration::from_millis(100);

/// Returns the same items. While there is no subscription, it waits for [`IDLE_INTERVAL`] before it
/// asks for the next one.
pub(crate) fn idle_tail<T>(
    tail: impl Stream<Item = T> + Unpin,
    has_subscribers: watch::Receiver<bool>,
) -> impl Stream<Item = T> {
    stream::unfold(
        (tail, has_subscribers, false),
        async |(mut tail, mut has_subscribers, is_begun)| {
            if is_begun {
                // The wait ends with the first subscription. An error means that the hub is gone,
                // and with it all subscriptions.
                let subscribed = has_subscribers.wait_for(|has_subscribers| *has_subscribers);
                _ = timeout(IDLE_INTERVAL, subscribed).await;
            }
            let item = tail.next().await?;
            Some((item, (tail, has_subscribers, true)))
        },
    )
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt, future};

    use super::*;

    /// Counts how often it is polled, and always has another item.
    fn numbers() -> impl Stream<Item = u32> + Unpin {
        stream::iter(1..)
    }

    #[tokio::test(start_paused = true)]
    async fn tail_without_subscribers_is_polled_slowly() {
        let (_hub, has_subscribers) = watch::channel(false);
        let mut tail = pin!(idle_tail(numbers(), has_subscribers));
        assert_eq!(tail.next().now_or_never(), Some(Some(1)), "the first");
        assert_eq!(tail.next().now_or_never(), None, "the second waits");
        let before = tokio::time::Instant::now();
        assert_eq!(tail.next().await, Some(2));
        assert_eq!(before.elapsed().as_millis(), IDLE_INTERVAL.as_millis());
    }

    #[tokio::test(start_paused = true)]
    async fn first_subscription_ends_the_wait() {
        let (hub, has_subscribers) = watch::channel(false);
        let mut tail = pin!(idle_tail(numbers(), has_subscribers));
        assert_eq!(tail.next().now_or_never(), Some(Some(1)));
        let before = tokio::time::Instant::now();
        let subscribe = async {
            tokio::task::yield_now().await;
            hub.send_replace(true);
        };
        let (next, ()) = future::join(tail.next(), subscribe).await;
        assert_eq!(next, Some(2));
        assert_eq!(tail.next().now_or_never(), Some(Some(3)));
        assert_eq!(tail.next().now_or_never(), Some(Some(4)));
        assert_eq!(before.elapsed(), Duration::ZERO);
        hub.send_replace(false);
        assert_eq!(tail.next().now_or_never(), None, "it is idle again");
    }
}
