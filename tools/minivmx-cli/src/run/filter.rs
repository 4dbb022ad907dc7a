// SPDX-License-Identifier: GPL-2.0

//! What `minivmx run --trace=NAME,…` shows.

use minivmx::{
    Exit,
    Info,
    Reason,
    Traps, //
};

use crate::lines;

/// Vectors that are not exceptions of the guest's own: NMI and machine check
/// belong to the host.
const NOT_THE_GUESTS: u32 = (1 << 2) | (1 << 18);

/// #PF.
const PAGE_FAULT: u8 = 14;

const ALL: &str = "all";
const PAGE_FAULTS: &str = "page-fault";

/// Exits that are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filter {
    /// All that there are.
    All,
    /// Page faults, EPT violations and accesses to absent memory.
    PageFaults,
    /// Those with this reason.
    Reason(Reason),
}

/// The name of a reason as one word.
fn word(reason: Reason) -> Option<String> {
    let name = reason.name()?.to_lowercase().replace(['/', ':'], "");
    Some(name.replace(' ', "-"))
}

fn reasons() -> impl Iterator<Item = Reason> {
    let own = [Reason::MEMORY, Reason::ENTRY_FAILED, Reason::INTERNAL];
    (0..128).map(Reason).chain(own)
}

/// Understands a name; the error has all that there are.
pub fn parse(text: &str) -> Result<Filter, String> {
    match text {
        ALL => return Ok(Filter::All),
        PAGE_FAULTS => return Ok(Filter::PageFaults),
        _ => {}
    }
    let found = reasons().find(|reason| word(*reason).as_deref() == Some(text));
    found.map(Filter::Reason).ok_or_else(names)
}

/// A sentence of all names, in lines for a terminal.
fn names() -> String {
    let words = [ALL.to_owned(), PAGE_FAULTS.to_owned()].into_iter();
    let words: Vec<_> = words.chain(reasons().filter_map(word)).collect();
    format!("there are these:\n{}", lines::broken(&words.join(" ")))
}

impl Filter {
    /// Is this exit shown?
    pub fn shows(self, reason: Reason, exit: &Exit<'_>) -> bool {
        match self {
            Self::All => true,
            Self::PageFaults => match exit {
                Exit::Exception { vector, .. } => *vector == PAGE_FAULT,
                _ => reason == Reason::EPT_VIOLATION || reason == Reason::MEMORY,
            },
            Self::Reason(wanted) => reason == wanted,
        }
    }

    /// The exits that the driver must be asked for, of those that it offers.
    pub fn traps(self, info: &Info) -> Traps {
        let offered = info.traps();
        let has_exceptions = (offered[0] >> Reason::EXCEPTION_OR_NMI.0) & 1 != 0;
        let exceptions = match self {
            _ if !has_exceptions => 0,
            Self::All | Self::Reason(Reason::EXCEPTION_OR_NMI) => !NOT_THE_GUESTS,
            Self::PageFaults => 1 << PAGE_FAULT,
            Self::Reason(_) => 0,
        };
        let wanted = |number| match self {
            Self::All => true,
            Self::PageFaults => Reason(number) == Reason::EPT_VIOLATION,
            Self::Reason(reason) => Reason(number) == reason,
        };
        let exits = [0, 64].map(|first| {
            let bits = (0..64).filter(|bit| wanted(first + bit));
            offered[first as usize / 64] & bits.fold(0, |mask, bit| mask | (1 << bit))
        });
        Traps { exceptions, exits }
    }
}

/// What all of them need together.
pub fn traps(filters: &[Filter], info: &Info) -> Traps {
    filters.iter().fold(Traps::default(), |sum, filter| {
        let traps = filter.traps(info);
        Traps {
            exceptions: sum.exceptions | traps.exceptions,
            exits: [0, 1].map(|word| sum.exits[word] | traps.exits[word]),
        }
    })
}

/// The exits that come only because of these traps.
pub fn trapped(traps: &Traps, info: &Info) -> Vec<Reason> {
    let is_trapped = |reason: &Reason| match *reason {
        Reason::EXCEPTION_OR_NMI => traps.exceptions != 0,
        Reason(number) => (traps.exits[number as usize / 64] >> (number % 64)) & 1 != 0,
    };
    let mut reasons = info.trappable();
    reasons.retain(is_trapped);
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::uapi::minivmx_info;

    fn info() -> Info {
        Info::from(minivmx_info {
            out_traps: [1 | (1 << 10) | (1 << 48), 0],
            ..Default::default()
        })
    }

    #[test]
    fn names_are_those_of_reasons() {
        assert_eq!(parse("cpuid"), Ok(Filter::Reason(Reason::CPUID)));
        let io = Filter::Reason(Reason::IO_INSTRUCTION);
        assert_eq!(parse("io-instruction"), Ok(io));
        assert_eq!(parse("page-fault"), Ok(Filter::PageFaults));
    }

    #[test]
    fn an_unknown_name_is_answered_by_those_that_there_are() {
        let error = parse("cpu").expect_err("there is none");
        for name in [
            "all",
            "page-fault",
            "ept-violation",
            "access-to-absent-memory",
        ] {
            assert!(error.contains(name), "{error}");
        }
        assert!(error.lines().all(|line| line.len() <= 80), "{error}");
    }

    #[test]
    fn only_what_is_shown_is_trapped() {
        let cpuid = traps(&[Filter::Reason(Reason::CPUID)], &info());
        assert_eq!((cpuid.exceptions, cpuid.exits), (0, [1 << 10, 0]));
        assert_eq!(trapped(&cpuid, &info()), [Reason::CPUID]);
        let faults = traps(&[Filter::PageFaults], &info());
        assert_eq!((faults.exceptions, faults.exits), (1 << 14, [1 << 48, 0]));
        let all = traps(&[Filter::All], &info());
        assert_eq!(all.exits, info().traps());
        assert_eq!(all.exceptions & ((1 << 14) | (1 << 2)), 1 << 14);
        assert_eq!(trapped(&all, &info()), info().trappable());
    }

    #[test]
    fn exceptions_are_trapped_where_the_driver_offers_them() {
        let without = Info::from(minivmx_info {
            out_traps: [1 << 10, 0],
            ..Default::default()
        });
        assert_eq!(traps(&[Filter::All], &without).exceptions, 0);
    }

    #[test]
    fn page_faults_are_those_of_any_kind() {
        let exception = |vector| Exit::Exception {
            vector,
            error: None,
            qualification: 0,
        };
        let reason = Reason::EXCEPTION_OR_NMI;
        assert!(Filter::PageFaults.shows(reason, &exception(14)));
        assert!(!Filter::PageFaults.shows(reason, &exception(6)));
        let violation = Exit::Other(Reason::EPT_VIOLATION);
        assert!(Filter::PageFaults.shows(Reason::EPT_VIOLATION, &violation));
        assert!(!Filter::PageFaults.shows(Reason::HLT, &Exit::Hlt));
    }
}
