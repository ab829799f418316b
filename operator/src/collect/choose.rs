//! Which of the files that are wanted fit into the limits. It is a plain function of one look.

use understudy_core::evidence::{LARGEST_MANIFEST, LONGEST_FAULT, Named, Omitted, UNREADABLE};

use super::{
    args::CollectArgs,
    look::{Barred, Found, Kind, Look},
};

/// What an entry of the manifest has beside its path, in bytes, and what the manifest has beside its entries.
const ENTRY: usize = 320;
const REST: usize = 512 << 10;

/// How much there may be.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) files: usize,
    pub(super) file: u64,
    pub(super) total: u64,
    pub(super) report: u64,
}

impl From<&CollectArgs> for Limits {
    fn from(args: &CollectArgs) -> Self {
        Self {
            files: usize::try_from(args.max_files).unwrap_or(usize::MAX),
            file: args.max_file_bytes,
            total: args.max_total_bytes,
            report: args.max_report_bytes,
        }
    }
}

/// What is not in the manifest, as the manifest says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Absent {
    pub(super) omitted: Omitted,
    pub(super) unreadable: Vec<Named>,
    /// How many reports are among them, or may be.
    pub(super) lost_reports: u64,
}

impl Absent {
    /// One that is left out.
    pub(super) fn leave_out(&mut self, found: &Found, why: &str) {
        self.lost_reports += u64::from(found.kind == Kind::Report);
        self.omitted.add(Named::new(found.path.as_str(), why), found.stamp.size);
    }

    /// One that cannot be read.
    pub(super) fn cannot_read(&mut self, found: &Found, why: &str) {
        self.lost_reports += u64::from(found.kind == Kind::Report);
        self.name(Named::new(found.path.as_str(), why));
    }

    fn bar(&mut self, barred: &Barred) {
        self.lost_reports += u64::from(barred.report);
        let named = Named::new(&barred.path, &barred.why);
        if barred.unreadable { self.name(named) } else { self.omitted.add(named, 0) }
    }

    fn name(&mut self, named: Named) {
        if self.unreadable.len() < UNREADABLE {
            self.unreadable.push(named);
        } else {
            self.omitted.add(named, 0);
        }
    }
}

/// The files that fit, reports first and then by path, and what does not.
pub(super) fn choose(look: Look, limits: &Limits) -> (Vec<Found>, Absent) {
    let Look { mut found, mut barred } = look;
    found.sort_by(|one, other| (one.kind, &one.path).cmp(&(other.kind, &other.path)));
    barred.sort_by(|one, other| (!one.report, &one.path).cmp(&(!other.report, &other.path)));
    let mut absent = Absent::default();
    for one in &barred {
        absent.bar(one);
    }
    let (mut chosen, mut total, mut listed) = (Vec::new(), 0_u64, REST);
    for one in found {
        let size = one.stamp.size;
        // Each letter of a sentence may have to be escaped.
        let fault = if one.kind == Kind::Report { 2 * LONGEST_FAULT } else { 0 };
        let entry = ENTRY + fault + written(one.path.as_str());
        let why = if one.kind == Kind::Report && size > limits.report {
            format!("a report may have {}", bytes(limits.report))
        } else if size > limits.file {
            format!("a file may have {}", bytes(limits.file))
        } else if chosen.len() >= limits.files {
            format!("there are more than {} files", limits.files)
        } else if total.saturating_add(size) > limits.total {
            format!("all files together may have {}", bytes(limits.total))
        } else if listed + entry > LARGEST_MANIFEST {
            "the list of files would be too long".to_owned()
        } else {
            (total, listed) = (total + size, listed + entry);
            chosen.push(one);
            continue;
        };
        absent.leave_out(&one, &why);
    }
    (chosen, absent)
}

/// How many bytes a path has as JSON; there are no control characters in it.
fn written(path: &str) -> usize {
    path.len() + path.matches(['"', '\\']).count()
}

fn bytes(number: u64) -> String {
    match number {
        number if number >= 1 << 20 && number.is_multiple_of(1 << 20) => {
            format!("{} MiB", number >> 20)
        }
        number => format!("{number} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Absent, Limits, choose};
    use crate::collect::{
        folder::Stamp,
        look::{Barred, Found, Kind, Look},
    };

    const LIMITS: Limits = Limits { files: 3, file: 100, total: 150, report: 50 };

    fn found(kind: Kind, path: &str, size: u64) -> Found {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        let stamp = Stamp::of(&fs::metadata(file.path()).unwrap());
        Found { kind, path: path.parse().unwrap(), stamp }
    }

    fn chosen(found: Vec<Found>) -> (Vec<String>, Absent) {
        let (chosen, absent) = choose(Look { found, barred: Vec::new() }, &LIMITS);
        (chosen.into_iter().map(|one| one.path.to_string()).collect(), absent)
    }

    fn told(absent: &Absent) -> Vec<(&str, &str)> {
        let named = &absent.omitted.examples;
        named.iter().map(|one| (one.path.as_str(), one.why.as_str())).collect()
    }

    #[test]
    fn reports_come_first_and_limits_hold() {
        let (paths, absent) = chosen(vec![
            found(Kind::Artifact, "a.png", 60),
            found(Kind::Artifact, "b.png", 101),
            found(Kind::Artifact, "c.png", 60),
            found(Kind::Report, "large.xml", 51),
            found(Kind::Report, "small.xml", 50),
            found(Kind::Artifact, "d.png", 40),
            found(Kind::Artifact, "e.png", 0),
        ]);
        assert_eq!(paths, ["small.xml", "a.png", "d.png"]);
        let expected = [
            ("large.xml", "a report may have 50 bytes"),
            ("b.png", "a file may have 100 bytes"),
            ("c.png", "all files together may have 150 bytes"),
            ("e.png", "there are more than 3 files"),
        ];
        assert_eq!(told(&absent), expected);
        assert_eq!((absent.omitted.count, absent.omitted.bytes, absent.lost_reports), (4, 212, 1));
    }

    #[test]
    fn list_of_files_fits_into_a_manifest() {
        let limits = Limits { files: usize::MAX, file: 1, total: 1, report: 1 };
        let name = "\"".repeat(200);
        let one = found(Kind::Artifact, "a", 0);
        let many = (0..20_000)
            .map(|number| Found { path: format!("{number}{name}").parse().unwrap(), ..one.clone() })
            .collect();
        let (chosen, absent) = choose(Look { found: many, barred: Vec::new() }, &limits);
        assert_eq!(chosen.len() + usize::try_from(absent.omitted.count).unwrap(), 20_000);
        assert!((4_000..6_000).contains(&chosen.len()), "{}", chosen.len());
        assert_eq!(absent.omitted.examples[0].why, "the list of files would be too long");
    }

    #[test]
    fn what_cannot_be_had_is_named_within_bounds() {
        let barred = |number: usize| Barred {
            path: format!("{number:03}"),
            why: "permission denied".to_owned(),
            report: number == 149,
            unreadable: true,
        };
        let look = Look { found: Vec::new(), barred: (0..150).map(barred).collect() };
        let (_, absent) = choose(look, &LIMITS);
        assert_eq!(
            (absent.unreadable.len(), absent.omitted.count, absent.lost_reports),
            (100, 50, 1)
        );
        assert_eq!(absent.unreadable[0].path, "149", "reports are named first");
    }
}
