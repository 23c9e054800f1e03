//! Rows in the order of what was said of them.

/// Rows with their scores, the highest first.
pub(super) type Order = Vec<(f64, u32)>;

/// The rows of one column, the highest value first.
pub(super) fn order(values: &[f64], n_columns: usize, column: usize) -> Order {
    let of_column = values.iter().skip(column).step_by(n_columns);
    // What comes of single precision, as probabilities do, has keys of half the length.
    if of_column.clone().all(|value| f64::from(*value as f32).total_cmp(value).is_eq()) {
        let keys = of_column.zip(0_u64..).map(|(v, row)| u64::from(key(*v as f32)) << 32 | row);
        let sorted = by_upper_half(keys.collect());
        let value = |packed: u64| f64::from(of_key((packed >> 32) as u32));
        return sorted.into_iter().map(|packed| (value(packed), packed as u32)).collect();
    }
    // The upper half of a longer key sorts all but what is very close.
    let keys = of_column.zip(0_u64..).map(|(v, row)| u64::from(upper_key(*v)) << 32 | row);
    let sorted = by_upper_half(keys.collect()).into_iter();
    let mut order: Order = sorted
        .map(|packed| (values[packed as u32 as usize * n_columns + column], packed as u32))
        .collect();
    for close in order.chunk_by_mut(|a, b| upper_key(a.0) == upper_key(b.0)) {
        close.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    }
    order
}

/// A number that is the smaller the larger the value is, in the order of [`f32::total_cmp`].
pub(super) fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_sign_negative() { bits } else { !bits & 0x7fff_ffff }
}

/// The upper half of such a number, in the order of [`f64::total_cmp`].
fn upper_key(value: f64) -> u32 {
    let bits = (value.to_bits() >> 32) as u32;
    if value.is_sign_negative() { bits } else { !bits & 0x7fff_ffff }
}

/// The value of a key.
fn of_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key } else { !key & 0x7fff_ffff })
}

/// Sorts numbers by their upper halves, equal ones in the order they come in: byte by byte, the
/// least first (Knuth, "The Art of Computer Programming", volume 3, 5.2.5). Scores are asked for
/// after every epoch, and comparing numbers takes three times as long.
pub(super) fn by_upper_half(mut numbers: Vec<u64>) -> Vec<u64> {
    const FEW: usize = 64;
    if numbers.len() < FEW {
        numbers.sort_unstable();
        return numbers;
    }
    let byte = |number: u64, at: usize| (number >> (32 + 8 * at)) as usize & 0xff;
    let mut counts = [[0_u32; 256]; 4];
    for number in &numbers {
        (0..4).for_each(|at| counts[at][byte(*number, at)] += 1);
    }
    let mut sorted = vec![0; numbers.len()];
    for (at, counts) in counts.iter_mut().enumerate() {
        if counts.iter().any(|count| *count as usize == numbers.len()) {
            continue;
        }
        let mut next = 0;
        for count in counts.iter_mut() {
            (*count, next) = (next, next + *count);
        }
        for number in &numbers {
            let place = &mut counts[byte(*number, at)];
            sorted[*place as usize] = *number;
            *place += 1;
        }
        std::mem::swap(&mut numbers, &mut sorted);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_that_of_comparing() {
        let mut random = crate::random::RandomState::new(1);
        for n in [0, 1, 5, 63, 64, 65, 1000, 5000] {
            let single = |_| match random.random_sample() {
                p if p < 0.05 => 0.0,
                p if p < 0.1 => -0.0,
                p if p < 0.2 => f64::from(-p as f32),
                p if p < 0.5 => 0.5,
                p => f64::from((p * 1e3) as f32),
            };
            let singles: Vec<f64> = (0..n).map(single).collect();
            let mut doubles = singles.clone();
            doubles.extend([0.1]);
            // Such as differ in their last digits only.
            let close = (0..n).map(|i| 1.0 + f64::from(i * 7 % 40) * f64::EPSILON).collect();
            for values in [singles, doubles, close] {
                let found = order(&values, 1, 0);
                let mut expected: Vec<f64> = values.clone();
                expected.sort_by(|a, b| b.total_cmp(a));
                assert!(
                    found.iter().map(|at| at.0.to_bits()).eq(expected.iter().map(|v| v.to_bits()))
                );
                assert!(found.iter().all(|(v, row)| v.total_cmp(&values[*row as usize]).is_eq()));
                let mut rows: Vec<u32> = found.iter().map(|at| at.1).collect();
                rows.sort_unstable();
                assert!(rows.into_iter().eq(0..values.len() as u32));
            }
        }
    }
}
