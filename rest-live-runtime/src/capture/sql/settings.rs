//! The settings of PostgreSQL that decide where it finds unqualified tables.

/// A set of these settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings(u8);

impl Settings {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const SEARCH_PATH: Self = Self(1);
    pub(crate) const ROLE: Self = Self(1 << 1);
    pub(crate) const SESSION_AUTHORIZATION: Self = Self(1 << 2);
    /// The text does not show which setting it is, so no `RESET` is known to undo it.
    pub(crate) const UNKNOWN: Self = Self(1 << 3);
    /// A `RESET` ran, and the tables were not compared yet.
    pub(crate) const UNVERIFIED_RESET: Self = Self(1 << 4);
    /// A `RESET` led to other tables than before the first switch.
    pub(crate) const OTHER_DEFAULT: Self = Self(1 << 5);

    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        self.without(other) != self
    }
}

/// What a text changes about the settings of the connection, past the end of the transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SettingChanges {
    /// The settings that have another value after the text.
    pub(crate) set: Settings,
    /// The settings that have their default after the text.
    pub(crate) reset: Settings,
}

impl SettingChanges {
    /// Returns the changes of a text that sets these settings.
    pub(super) fn set(settings: Settings) -> Self {
        Self {
            set: settings,
            reset: Settings::NONE,
        }
    }

    /// Returns the changes of a text that resets these settings.
    pub(super) fn reset(settings: Settings) -> Self {
        Self {
            set: Settings::NONE,
            reset: settings,
        }
    }

    /// Adds the changes of a later statement.
    pub(super) fn add(&mut self, later: Self) {
        self.set = self.set.without(later.reset).with(later.set);
        self.reset = self.reset.without(later.set).with(later.reset);
    }
}
