// SPDX-License-Identifier: GPL-2.0

//! The kernel's red-black tree, which is a B-tree here.

use crate::alloc::{AllocError, Flags};
use std::collections::BTreeMap;

/// A map in the order of its keys.
pub struct RBTree<K, V>(BTreeMap<K, V>);

/// A key with its value, and the memory that they take in a tree.
pub struct RBTreeNode<K, V>(K, V);

impl<K, V> RBTreeNode<K, V> {
    /// Allocates the memory.
    pub fn new(key: K, value: V, _flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(key, value))
    }
}

impl<K, V> Default for RBTree<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> RBTree<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// The value of a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// Puts a node in, and takes out the one that was there.
    pub fn insert(&mut self, node: RBTreeNode<K, V>) -> Option<RBTreeNode<K, V>>
    where
        K: Copy,
    {
        let replaced = self.0.insert(node.0, node.1)?;
        Some(RBTreeNode(node.0, replaced))
    }

    /// Takes a node out.
    pub fn remove_node(&mut self, key: &K) -> Option<RBTreeNode<K, V>> {
        let (key, value) = self.0.remove_entry(key)?;
        Some(RBTreeNode(key, value))
    }

    /// The first node with this key or a greater one.
    pub fn cursor_lower_bound(&self, key: &K) -> Option<Cursor<'_, K, V>> {
        let (key, value) = self.0.range(key..).next()?;
        Some(Cursor { key, value })
    }
}

/// A place in a tree.
pub struct Cursor<'a, K, V> {
    key: &'a K,
    value: &'a V,
}

impl<'a, K, V> Cursor<'a, K, V> {
    /// What is there.
    pub fn current(&self) -> (&'a K, &'a V) {
        (self.key, self.value)
    }
}
