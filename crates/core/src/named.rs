//! Enums whose names are stored or published: the derives of `strum` know the names, and this makes them inherent, so
//! that a caller needs no trait in scope.

/// Gives an enum that derives `strum`'s `VariantArray`, `IntoStaticStr` and `EnumString` its list and its names.
macro_rules! named {
    ($enum:ident without parse) => {
        impl $enum {
            /// Every variant, in the order of their declaration.
            pub const ALL: [Self; <Self as strum::VariantArray>::VARIANTS.len()] =
                $crate::named::array(<Self as strum::VariantArray>::VARIANTS);

            /// The name, as stored and published.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    };
    ($enum:ident) => {
        named!($enum without parse);

        impl $enum {
            /// Reads a name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    };
}
pub(crate) use named;

/// The slice as an array of its own length, which callers can map and go through by value.
pub(crate) const fn array<T: Copy, const N: usize>(slice: &[T]) -> [T; N] {
    let mut array = [slice[0]; N];
    let mut n = 0;
    while n < N {
        array[n] = slice[n];
        n += 1;
    }
    array
}
