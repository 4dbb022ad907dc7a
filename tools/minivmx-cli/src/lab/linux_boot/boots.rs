// SPDX-License-Identifier: GPL-2.0

//! All boots of a table, and what one is beside another.

use serde::{
    Deserialize,
    Serialize, //
};

use super::boot::Boot;

/// Boots, each mode once.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Boots(Vec<Boot>);

impl Boots {
    /// Takes the place of one that was in this mode.
    pub fn add(&mut self, boot: Boot) {
        self.0.retain(|other| other.mode != boot.mode);
        self.0.push(boot);
    }

    pub fn all(&self) -> &[Boot] {
        &self.0
    }

    /// That in a mode.
    pub fn get(&self, mode: &str) -> Option<&Boot> {
        self.0.iter().find(|boot| boot.mode == mode)
    }

    /// Ticks of a boot of minivmx as a share of KVM's in the same mode.
    pub fn ratio(&self, boot: &Boot) -> Option<f64> {
        let kvm = self.get(boot.kvms()).filter(|_| !boot.is_by_kvm())?;
        Some(boot.ticks as f64 / kvm.ticks as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::boot::tests::boot,
        *, //
    };

    #[test]
    fn a_boot_is_beside_kvms_in_the_same_mode() {
        let mut boots = Boots::default();
        boots.add(boot("kvm-shadow", 1000));
        boots.add(boot("wp", 900));
        boots.add(boot("wp", 500));
        assert_eq!(boots.all().len(), 2);
        let ratio = |mode| boots.ratio(boots.get(mode).expect("it is there"));
        assert_eq!((ratio("wp"), ratio("kvm-shadow")), (Some(0.5), None));
        assert_eq!(boots.ratio(&boot("ept", 1)), None);
    }
}
