//! Medians with their spread, and the table that the documentation shows.

use std::collections::BTreeMap;

use understudy_fakes::figures::median;

use crate::rivals::Proxy;

/// What was measured, by row and by who did it, in the order of the rows.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<(String, BTreeMap<Proxy, Vec<f64>>)>,
}

impl Report {
    /// Notes a figure down.
    pub(crate) fn note(&mut self, row: &str, proxy: Proxy, figure: f64) {
        if !self.rows.iter().any(|(name, _)| name == row) {
            self.rows.push((row.to_owned(), BTreeMap::new()));
        }
        let found = self.rows.iter_mut().find(|(name, _)| name == row);
        if let Some((_, figures)) = found {
            figures.entry(proxy).or_default().push(figure);
        }
    }

    /// The figures of a row, run by run.
    pub(crate) fn figures(&self, row: &str, proxy: Proxy) -> Vec<f64> {
        let found = self.rows.iter().find(|(name, _)| name == row);
        found.and_then(|(_, figures)| figures.get(&proxy).cloned()).unwrap_or_default()
    }

    /// The table in Markdown: medians, and from the least to the most.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| | edge | nginx | HAProxy | edge to nginx |\n| --- | --- | --- | --- | --- |\n",
        );
        for (name, figures) in &self.rows {
            let cell =
                |proxy: Proxy| figures.get(&proxy).map_or_else(String::new, |all| spread(all));
            let ratio = ratio(&self.figures(name, Proxy::Edge), &self.figures(name, Proxy::Nginx));
            let ratio = ratio.map_or_else(String::new, |all| spread(&all));
            let [edge, nginx, haproxy] =
                [cell(Proxy::Edge), cell(Proxy::Nginx), cell(Proxy::Haproxy)];
            text.push_str(&format!("| {name} | {edge} | {nginx} | {haproxy} | {ratio} |\n"));
        }
        text
    }
}

/// One by the other, run by run: what both suffered alike falls out.
pub(crate) fn ratio(one: &[f64], other: &[f64]) -> Option<Vec<f64>> {
    let ratios: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
    (!ratios.is_empty()).then_some(ratios)
}

fn spread(figures: &[f64]) -> String {
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} ({}–{})", plain(median(figures)), plain(least), plain(most))
}

fn plain(figure: f64) -> String {
    match figure {
        figure if figure >= 1_000.0 => {
            let digits = format!("{figure:.0}");
            let split = digits.len() - 3;
            let (thousands, rest) = digits.split_at(split);
            format!("{thousands},{rest}")
        }
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure => format!("{figure:.2}"),
    }
}
