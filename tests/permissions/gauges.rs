//! A metrics recorder that reads the gauges of one `Live`.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// A recorder of gauges only. The recorder of metrics-util resets a gauge when it is read.
#[derive(Clone, Default)]
pub struct Gauges(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

impl Gauges {
    /// Returns the value of a gauge of rest-live.
    pub fn read(&self, name: &str) -> usize {
        let gauge = self.0.lock().unwrap()[&format!("rest_live_{name}")].clone();
        let count = f64::from_bits(gauge.load(Ordering::Relaxed));
        assert!(count >= 0.0 && count.fract() == 0.0, "{name} is {count}");
        count as usize
    }
}

impl Recorder for Gauges {
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.0.lock().unwrap();
        let gauge = gauges.entry(key.name().to_owned()).or_default();
        Gauge::from_arc(Arc::clone(gauge))
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }

    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
}
