//! A tail that is read in time for who is subscribed, and else now and then.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::{sync::watch, time::timeout};

/// So long what nobody is subscribed to may wait. To be woken for each write takes the writer longer than capture
/// does; a log keeps what comes in this time many times over.
const PATIENCE: Duration = Duration::from_millis(100);

/// Returns the same items. While nobody is subscribed it asks for the next one only a moment after the last.
pub(crate) fn unhurried<T>(
    tail: impl Stream<Item = T> + Unpin,
    subscribed: watch::Receiver<bool>,
) -> impl Stream<Item = T> {
    stream::unfold(
        (tail, subscribed, false),
        async |(mut tail, mut subscribed, is_begun)| {
            if is_begun {
                // It ends by itself when somebody subscribes; an error is a hub that is gone, and so are they.
                _ = timeout(PATIENCE, subscribed.wait_for(|is_somebody| *is_somebody)).await;
            }
            let item = tail.next().await?;
            Some((item, (tail, subscribed, true)))
        },
    )
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt, future};

    use super::*;

    /// Counts how often it is asked, and always has more.
    fn numbers() -> impl Stream<Item = u32> + Unpin {
        stream::iter(1..)
    }

    #[tokio::test(start_paused = true)]
    async fn while_nobody_is_subscribed_the_log_is_asked_now_and_then() {
        let (_hub, subscribed) = watch::channel(false);
        let mut tail = pin!(unhurried(numbers(), subscribed));
        assert_eq!(tail.next().now_or_never(), Some(Some(1)), "the first");
        assert_eq!(tail.next().now_or_never(), None, "the second waits");
        let before = tokio::time::Instant::now();
        assert_eq!(tail.next().await, Some(2));
        assert_eq!(before.elapsed().as_millis(), PATIENCE.as_millis());
    }

    #[tokio::test(start_paused = true)]
    async fn who_subscribes_is_told_at_once() {
        let (hub, subscribed) = watch::channel(false);
        let mut tail = pin!(unhurried(numbers(), subscribed));
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
        assert_eq!(tail.next().now_or_never(), None, "it is quiet again");
    }
}
