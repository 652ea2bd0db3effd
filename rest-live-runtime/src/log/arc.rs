//! `EventLog` for `Arc`, so that an application can choose its log at start.

use std::sync::Arc;

use futures_util::{future::BoxFuture, stream::BoxStream};
use tokio::sync::watch;

use super::{Entry, EventLog, LogError, Present, ReadError, Record, Tail, TransactionalLog};
use crate::data::cursor::Cursor;

// Includes the methods with a default. Otherwise every log behind an `Arc` would appear to be in
// this process.
impl<T: EventLog + ?Sized> EventLog for Arc<T> {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        (**self).append(events)
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        (**self).tail()
    }

    fn tail_while(&self, has_subscribers: watch::Receiver<bool>) -> BoxStream<'static, Tail> {
        (**self).tail_while(has_subscribers)
    }

    fn opened_at(&self) -> Option<Cursor> {
        (**self).opened_at()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        (**self).head()
    }

    fn present(&self) -> BoxFuture<'_, Result<Present, LogError>> {
        (**self).present()
    }

    fn appended(&self) -> BoxFuture<'_, Option<Cursor>> {
        (**self).appended()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        (**self).read(after, limit)
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn known_head(&self) -> Option<Cursor> {
        (**self).known_head()
    }

    fn set_memory_budget(&self, bytes: usize) {
        (**self).set_memory_budget(bytes);
    }

    fn is_shared(&self) -> bool {
        (**self).is_shared()
    }

    fn begin_writes(&self) -> Option<BoxFuture<'static, ()>> {
        (**self).begin_writes()
    }

    fn end_writes(&self) {
        (**self).end_writes();
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        (**self).leave()
    }

    fn transactional(&self) -> Option<&dyn TransactionalLog> {
        (**self).transactional()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        time::Instant,
    };

    use futures_util::{
        FutureExt, StreamExt,
        future::ready,
        stream::{empty, iter},
    };
    use sea_orm::{DatabaseTransaction, DbErr};

    use super::*;
    use crate::{data::cursor::Epoch, log::MemoryLog};

    /// A log whose methods all return something else than their defaults.
    #[derive(Debug)]
    struct Other {
        head: Cursor,
        has_ended: AtomicBool,
        has_left: AtomicBool,
        budget: AtomicUsize,
    }

    impl EventLog for Other {
        fn append(&self, _: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
            ready(Err(LogError::new("this log accepts nothing"))).boxed()
        }

        fn tail(&self) -> BoxStream<'static, Tail> {
            iter([Tail::Begin(self.head.clone())])
                .chain(empty())
                .boxed()
        }

        fn tail_while(&self, _: watch::Receiver<bool>) -> BoxStream<'static, Tail> {
            iter([Tail::Away]).boxed()
        }

        fn opened_at(&self) -> Option<Cursor> {
            Some(self.head.clone())
        }

        fn begin_writes(&self) -> Option<BoxFuture<'static, ()>> {
            Some(ready(()).boxed())
        }

        fn end_writes(&self) {
            self.has_ended.store(true, Ordering::Relaxed);
        }

        fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
            ready(Ok(self.head.clone())).boxed()
        }

        fn present(&self) -> BoxFuture<'_, Result<Present, LogError>> {
            ready(Ok(Present::Moment(Instant::now()))).boxed()
        }

        fn appended(&self) -> BoxFuture<'_, Option<Cursor>> {
            ready(None).boxed()
        }

        fn read(&self, _: Cursor, _: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
            ready(Err(ReadError::Ahead)).boxed()
        }

        fn known_head(&self) -> Option<Cursor> {
            Some(self.head.clone())
        }

        fn set_memory_budget(&self, bytes: usize) {
            self.budget.store(bytes, Ordering::Relaxed);
        }

        fn is_shared(&self) -> bool {
            true
        }

        fn leave(&self) -> BoxFuture<'_, ()> {
            self.has_left.store(true, Ordering::Relaxed);
            ready(()).boxed()
        }

        fn transactional(&self) -> Option<&dyn TransactionalLog> {
            Some(self)
        }
    }

    impl TransactionalLog for Other {
        fn append_in<'t>(
            &'t self,
            _: &'t DatabaseTransaction,
            _: Vec<Record>,
        ) -> BoxFuture<'t, Result<(), DbErr>> {
            ready(Ok(())).boxed()
        }

        fn committed(&self) {}
    }

    #[tokio::test]
    async fn every_method_is_forwarded() {
        let head = Cursor {
            epoch: Epoch::random(),
            position: 7,
        };
        let other = Arc::new(Other {
            head: head.clone(),
            has_ended: AtomicBool::default(),
            has_left: AtomicBool::default(),
            budget: AtomicUsize::default(),
        });
        let log: Arc<dyn EventLog> = other.clone();
        // The form in which `LiveBuilder::log` takes a log.
        let log: &dyn EventLog = &log;
        assert_eq!(log.name(), other.name());
        assert_ne!(log.name(), "EventLog");
        assert!(log.is_shared() && log.transactional().is_some());
        assert_eq!(log.known_head(), Some(head.clone()));
        assert_eq!(log.head().await.ok(), Some(head.clone()));
        assert!(matches!(log.present().await, Ok(Present::Moment(_))));
        assert_eq!(log.appended().await, None);
        assert!(log.append(Vec::new()).await.is_err());
        log.set_memory_budget(9);
        assert_eq!(other.budget.load(Ordering::Relaxed), 9);
        let read = log.read(head, 1).await;
        assert!(matches!(read, Err(ReadError::Ahead)));
        let begin = log.tail().next().await;
        assert!(matches!(begin, Some(Tail::Begin(_))));
        let (_hub, has_subscribers) = watch::channel(false);
        let first = log.tail_while(has_subscribers).next().await;
        assert!(matches!(first, Some(Tail::Away)));
        assert!(log.opened_at().is_some() && log.begin_writes().is_some());
        log.end_writes();
        assert!(other.has_ended.load(Ordering::Relaxed));
        log.leave().await;
        assert!(other.has_left.load(Ordering::Relaxed));

        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::default());
        let log: &dyn EventLog = &log;
        assert!(!log.is_shared() && log.transactional().is_none());
        assert!(log.append(Vec::new()).await.is_ok());
    }
}
