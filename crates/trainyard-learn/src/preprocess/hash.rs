//! Which of some features a text belongs to, as scikit-learn's hashing chooses it.

/// The feature and the sign of a token.
pub(super) fn bucket(token: &[u8], n_features: usize) -> (usize, f64) {
    let hash = murmur3(token).cast_signed();
    (hash.unsigned_abs() as usize % n_features, if hash < 0 { -1.0 } else { 1.0 })
}

/// MurmurHash3's 32 bits with the seed 0 (Appleby 2011, public domain).
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = 0_u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        hash = (hash ^ mix(u32::from_le_bytes(*word))).rotate_left(13);
        hash = hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    hash ^= mix(u32::from_le_bytes(last));
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::{bucket, murmur3};

    #[test]
    fn hashes_are_scikit_learns() {
        // sklearn.utils.murmurhash3_32(text, seed=0, positive=True).
        for (text, expected) in [
            ("", 0),
            ("a", 1_009_084_850),
            ("foo", 4_138_058_784),
            ("größer", 3_595_530_982),
            ("日本語", 2_779_017_879),
        ] {
            assert_eq!(murmur3(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn every_token_has_a_place() {
        for n_features in [1, 2, 7, 1 << 20] {
            for token in 0..1000_u32 {
                let (place, sign) = bucket(&token.to_le_bytes(), n_features);
                assert!(place < n_features && sign.abs() == 1.0);
            }
        }
    }
}
