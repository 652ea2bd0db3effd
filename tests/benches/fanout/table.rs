//! The printed tables, in Markdown.

use std::fmt;

use super::{
    claim::Claim,
    sample::{Sample, Samples},
    servers::Variant,
};

/// A table. The first column is a name, the others are figures.
pub struct Table {
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(self.head.len() - 1))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// The figures of a shape, and the claims about them.
pub struct Findings {
    pub table: Table,
    pub claims: Vec<Claim>,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claims = Table {
            head: vec!["of rest-live", "asked", "measured", "verdict"],
            rows: self.claims.iter().map(Claim::cells).collect(),
        };
        write!(f, "{}\n{claims}", self.table)
    }
}

/// Returns the table of the servers under a load.
pub fn of_samples(samples: &Samples) -> Table {
    let row = |(variant, sample): &(Variant, Sample)| {
        vec![
            variant.name().to_owned(),
            format!("{:.0}", sample.rate),
            format!("{:.1}", sample.share * 100.0),
            format!("{:.2}", sample.cpu),
            format!("{:.1}", sample.p50),
            format!("{:.1}", sample.p99),
            format!("{:.1}", sample.per_read),
            format!("{:.0}", sample.bytes),
            format!("{:.0}", sample.client * 100.0),
            format!("{:.0}", sample.waited * 100.0),
        ]
    };
    Table {
        head: vec![
            "server",
            "deliveries/s",
            "% of those offered",
            "CPU µs each",
            "p50 ms",
            "p99 ms",
            "in one read",
            "bytes each",
            "% of the client's core",
            "% waited for its own",
        ],
        rows: samples.0.iter().map(row).collect(),
    }
}
