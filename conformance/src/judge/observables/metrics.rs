//! Reads metrics in the Prometheus text format, and selects the samples that grew during a case.

use crate::judge::subject::Metrics;

/// One sample: name, labels and value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Vec<(&'a str, &'a str)>,
    pub(super) value: f64,
}

impl Sample<'_> {
    /// Whether a label has the server's name as its value.
    pub(super) fn is_about(&self, server: &str) -> bool {
        self.labels.iter().any(|(_, value)| *value == server)
    }

    /// Whether the sample is about the server, and another label contains one of these words.
    pub(super) fn is_about_outcome(&self, server: &str, words: &[&str]) -> bool {
        let names_outcome = |value: &str| {
            let value = value.to_ascii_lowercase();
            words.iter().any(|word| value.contains(word))
        };
        self.is_about(server)
            && self.labels.iter().any(|(_, value)| *value != server && names_outcome(value))
    }
}

/// The samples of a text; lines that are not samples are skipped.
pub(super) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (name, labels, value) = match line.split_once('{') {
        Some((name, rest)) => {
            let (labels, value) = rest.rsplit_once('}')?;
            (name, labels, value)
        }
        None => {
            let (name, value) = line.split_once(' ')?;
            (name, "", value)
        }
    };
    let labels = labels
        .split("\",")
        .filter_map(|label| label.split_once("=\""))
        .map(|(name, value)| (name, value.trim_end_matches('"')))
        .collect();
    Some(Sample {
        name,
        labels,
        value: value.split_whitespace().next()?.parse().ok()?,
    })
}

/// The samples that grew during the case, without histogram buckets.
pub(super) fn grown(metrics: &Metrics) -> Vec<Sample<'_>> {
    let before: Vec<Sample<'_>> = samples(&metrics.before).collect();
    let value_before = |sample: &Sample<'_>| {
        before
            .iter()
            .find(|before| before.name == sample.name && before.labels == sample.labels)
            .map_or(0.0, |before| before.value)
    };
    samples(&metrics.after)
        .filter(|sample| !sample.name.ends_with("_bucket") && sample.value > value_before(sample))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_labels_and_only_grown_ones_are_selected() {
        let before = "# TYPE a counter\na_total{server=\"x\",status=\"401\"} 1\nb_total 7\n";
        let after = "a_total{server=\"x\",status=\"401\"} 2 1700000000\nb_total 7\n\
                     a_seconds_bucket{server=\"x\",le=\"1.0\"} 3\n# EOF\n";
        let metrics = Metrics { before: before.into(), after: after.into() };
        let grown = grown(&metrics);
        assert_eq!(
            grown,
            [Sample {
                name: "a_total",
                labels: vec![("server", "x"), ("status", "401")],
                value: 2.0
            }]
        );
        assert!(grown[0].is_about_outcome("x", &["401"]));
        assert!(!grown[0].is_about_outcome("y", &["401"]));
        assert!(!grown[0].is_about_outcome("x", &["403"]));
    }
}
