//! One measurement of one server under one load, and the median of several measurements.

use std::time::Duration;

use rest_live_benches::median;

use super::{
    client::Expected,
    host,
    load::Load,
    process::{Client, Server},
    servers::Variant,
};

/// How long a server may take to catch up after the last event.
const GRACE: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Deliveries per second, from when the first one was due until the last one arrived.
    pub rate: f64,
    /// The share of the expected deliveries that arrived.
    pub share: f64,
    /// Processor time of the server for each delivery, in microseconds.
    pub cpu: f64,
    /// The share of the time in which the server was ready while another program had its core.
    pub waited: f64,
    /// In milliseconds.
    pub p50: f64,
    pub p99: f64,
    /// Broadcasts that arrived in one read of the client.
    pub per_read: f64,
    /// Bytes of a broadcast.
    pub bytes: f64,
    /// The share of the client's core that the client used.
    pub client: f64,
}

impl Sample {
    pub fn measure(variant: Variant, load: &Load) -> Self {
        let mut server = Server::start(variant);
        let mut client = Client::connect(&server, load.groups, load.subscribers);
        let deadline = load.duration() + GRACE;
        client.expect(&Expected {
            deliveries: load.deliveries(),
            deadline: host::now() + deadline.as_nanos() as u64,
        });
        let (used, waited) = (server.used(), server.waited());
        server.publish(load);
        let report = client.report();
        let used = server.used() - used;
        let waited = server.waited().saturating_sub(waited);
        let name = variant.name();
        assert_eq!(report.unexpected, 0, "{name} sent unexpected frames");
        assert_ne!(report.deliveries, 0, "{name} sent nothing");
        let deliveries = report.deliveries as f64;
        Self {
            rate: deliveries / report.elapsed.as_secs_f64(),
            share: deliveries / load.deliveries() as f64,
            cpu: used.as_secs_f64() * 1e6 / deliveries,
            waited: waited.as_secs_f64() / report.elapsed.as_secs_f64(),
            p50: report.p50.as_secs_f64() * 1e3,
            p99: report.p99.as_secs_f64() * 1e3,
            per_read: deliveries / report.reads as f64,
            bytes: report.bytes as f64 / deliveries,
            client: report.used.as_secs_f64() / report.elapsed.as_secs_f64(),
        }
    }

    /// Returns the median of each figure by itself.
    pub fn median(samples: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(samples.iter().map(figure).collect());
        Self {
            rate: of(|sample| sample.rate),
            share: of(|sample| sample.share),
            cpu: of(|sample| sample.cpu),
            waited: of(|sample| sample.waited),
            p50: of(|sample| sample.p50),
            p99: of(|sample| sample.p99),
            per_read: of(|sample| sample.per_read),
            bytes: of(|sample| sample.bytes),
            client: of(|sample| sample.client),
        }
    }
}

/// The medians of the servers under one load.
pub struct Samples(pub Vec<(Variant, Sample)>);

impl Samples {
    /// Measures the servers in turn.
    pub fn measure(variants: &[Variant], load: &Load, runs: usize) -> Self {
        let mut samples = vec![Vec::new(); variants.len()];
        for run in 0..runs {
            for offset in 0..variants.len() {
                let index = (run + offset) % variants.len();
                samples[index].push(Sample::measure(variants[index], load));
            }
        }
        let medians = samples.iter().map(|samples| Sample::median(samples));
        Self(variants.iter().copied().zip(medians).collect())
    }

    /// Returns the medians of a server.
    ///
    /// # Panics
    /// Panics if this server was not measured.
    pub fn of(&self, variant: Variant) -> &Sample {
        let found = self.0.iter().find(|(measured, _)| *measured == variant);
        &found.expect("a claim is about what its shape measures").1
    }
}
