//! Where the boxes and lines of a picture go: in layers from left to right, after Sugiyama.
//!
//! A step stands in the layer behind the last of those it needs. A line that passes over a layer gets a place in it, so that
//! it goes around the boxes. The order in a layer follows the neighbours' mean place (barycentres), which has few crossings.

/// Lines get places in the layers they pass as long as there are no more of these than that.
const MOST_WAYPOINTS: usize = 20_000;
/// So often the order is bettered, forwards and backwards.
const SWEEPS: usize = 6;

/// Sizes in pixels.
#[derive(Debug, Clone, Copy)]
pub struct Metrics {
    pub box_height: f64,
    /// Between two boxes of a layer.
    pub gap: f64,
    /// Between two layers.
    pub layer_gap: f64,
}

/// A picture, from 0 to its width and height.
#[derive(Debug, Default)]
pub struct Layout {
    pub width: f64,
    pub height: f64,
    /// For each box, its left edge, its middle from above, and its width.
    pub boxes: Vec<Placed>,
    /// For each line, what it starts from and leads to, and the points it goes through.
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Placed {
    pub x: f64,
    pub middle: f64,
    pub width: f64,
}

#[derive(Debug)]
pub struct Line {
    pub from: usize,
    pub to: usize,
    pub points: Vec<(f64, f64)>,
}

/// Something that takes a place in a layer.
struct Spot {
    /// `None` for a waypoint.
    step: Option<usize>,
    before: Vec<usize>,
    after: Vec<usize>,
    middle: f64,
}

/// Lays out boxes of these widths. `needs` names, for each box, boxes that stand before it in the list.
pub fn layout(widths: &[f64], needs: &[Vec<usize>], metrics: Metrics) -> Layout {
    let mut layer_of = vec![0; needs.len()];
    for step in 0..needs.len() {
        layer_of[step] = needs[step].iter().map(|needed| layer_of[*needed] + 1).max().unwrap_or(0);
    }
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); layer_of.iter().max().map_or(0, |last| last + 1)];
    let spot = |step| Spot { step, before: Vec::new(), after: Vec::new(), middle: 0.0 };
    let mut spots: Vec<Spot> = (0..needs.len()).map(|step| spot(Some(step))).collect();
    layer_of.iter().enumerate().for_each(|(step, layer)| layers[*layer].push(step));
    let mut ways = Vec::new();
    for (to, needs) in needs.iter().enumerate() {
        for from in needs.iter().copied() {
            let mut way = vec![from];
            let has_room = spots.len() < MOST_WAYPOINTS + needs.len();
            for layer in (layer_of[from] + 1..layer_of[to]).filter(|_| has_room) {
                layers[layer].push(spots.len());
                way.push(spots.len());
                spots.push(spot(None));
            }
            way.push(to);
            for pair in way.windows(2) {
                spots[pair[0]].after.push(pair[1]);
                spots[pair[1]].before.push(pair[0]);
            }
            ways.push((from, to, way));
        }
    }
    put_in_order(&mut spots, &mut layers);
    let height = put_in_place(&mut spots, &layers, metrics);
    let mut left = vec![0.0; layers.len()];
    let mut room = vec![0.0_f64; layers.len()];
    let mut width = 0.0;
    for (number, layer) in layers.iter().enumerate() {
        left[number] = width;
        room[number] = layer.iter().filter_map(|spot| spots[*spot].step).map(|step| widths[step]).fold(0.0, f64::max);
        width += room[number] + if number + 1 < layers.len() { metrics.layer_gap } else { 0.0 };
    }
    let boxes: Vec<Placed> = (0..needs.len())
        .map(|step| Placed { x: left[layer_of[step]], middle: spots[step].middle, width: room[layer_of[step]] })
        .collect();
    let lines = ways.into_iter().map(|(from, to, way)| {
        let mut points = vec![(boxes[from].x + boxes[from].width, boxes[from].middle)];
        for (passed, spot) in way[1..way.len() - 1].iter().enumerate() {
            let layer = layer_of[from] + 1 + passed;
            points.extend([(left[layer], spots[*spot].middle), (left[layer] + room[layer], spots[*spot].middle)]);
        }
        points.push((boxes[to].x, boxes[to].middle));
        Line { from, to, points }
    });
    Layout { width, height, lines: lines.collect(), boxes }
}

/// Orders each layer by where the neighbours in the layer before it stand, then by those behind it, and again.
fn put_in_order(spots: &mut [Spot], layers: &mut [Vec<usize>]) {
    let number = |spots: &mut [Spot], layer: &[usize]| {
        layer.iter().enumerate().for_each(|(place, spot)| spots[*spot].middle = place as f64);
    };
    layers.iter().for_each(|layer| number(spots, layer));
    for sweep in 0..SWEEPS {
        let forwards = sweep % 2 == 0;
        let count = layers.len();
        for step in 0..count {
            let layer = &mut layers[if forwards { step } else { count - 1 - step }];
            let mean = |spot: usize| {
                let neighbours = if forwards { &spots[spot].before } else { &spots[spot].after };
                mean(neighbours.iter().map(|neighbour| spots[*neighbour].middle)).unwrap_or(spots[spot].middle)
            };
            let mut keyed: Vec<(f64, usize)> = layer.iter().map(|spot| (mean(*spot), *spot)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *layer = keyed.into_iter().map(|(_, spot)| spot).collect();
            number(spots, layer);
        }
    }
}

/// Gives each spot its middle, near those of its neighbours. Returns the height of the picture.
fn put_in_place(spots: &mut [Spot], layers: &[Vec<usize>], metrics: Metrics) -> f64 {
    let Metrics { box_height, gap, .. } = metrics;
    let half = |spot: &Spot| if spot.step.is_some() { box_height / 2.0 } else { gap / 4.0 };
    for layer in layers {
        let mut at = 0.0;
        for spot in layer {
            let half = half(&spots[*spot]);
            spots[*spot].middle = at + half;
            at += 2.0 * half + gap;
        }
    }
    for pass in 0..2 * SWEEPS {
        let count = layers.len();
        for step in 0..count {
            let layer = &layers[if pass % 2 == 0 { step } else { count - 1 - step }];
            let wish = |spot: &usize| {
                let Spot { before, after, middle, .. } = &spots[*spot];
                let neighbours = before.iter().chain(after).map(|neighbour| spots[*neighbour].middle);
                mean(neighbours).unwrap_or(*middle)
            };
            let wishes: Vec<f64> = layer.iter().map(wish).collect();
            let apart = |a: usize, b: usize| half(&spots[layer[a]]) + half(&spots[layer[b]]) + gap;
            // Pushed down where it is too tight, and pushed up: the mean of two placings that fit, fits.
            let mut down = wishes.clone();
            (1..down.len()).for_each(|at| down[at] = down[at].max(down[at - 1] + apart(at - 1, at)));
            let mut up = wishes;
            (0..up.len().saturating_sub(1)).rev().for_each(|at| up[at] = up[at].min(up[at + 1] - apart(at, at + 1)));
            for (at, spot) in layer.iter().enumerate() {
                spots[*spot].middle = (down[at] + up[at]) / 2.0;
            }
        }
    }
    let top = spots.iter().map(|spot| spot.middle - half(spot)).fold(f64::INFINITY, f64::min);
    let bottom = spots.iter().map(|spot| spot.middle + half(spot)).fold(f64::NEG_INFINITY, f64::max);
    spots.iter_mut().for_each(|spot| spot.middle -= top);
    if spots.is_empty() { 0.0 } else { bottom - top }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    values.for_each(|value| (sum, count) = (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METRICS: Metrics = Metrics { box_height: 40.0, gap: 16.0, layer_gap: 60.0 };

    #[test]
    fn a_line_goes_around_the_box_between_its_ends() {
        // 0 -> 1 -> 2, and 0 -> 2.
        let layout = layout(&[100.0; 3], &[vec![], vec![0], vec![0, 1]], METRICS);

        let long = layout.lines.iter().find(|line| (line.from, line.to) == (0, 2)).unwrap();
        assert_eq!(long.points.len(), 4);
        assert!((long.points[1].1 - layout.boxes[1].middle).abs() > METRICS.box_height / 2.0);
    }

    proptest! {
        #[test]
        fn no_two_boxes_overlap(edges in proptest::collection::vec((0..30_usize, 0..30_usize), 0..80)) {
            let mut needs = vec![Vec::new(); 30];
            for (a, b) in edges.into_iter().filter(|(a, b)| a < b) {
                if !needs[b].contains(&a) { needs[b].push(a); }
            }

            let layout = layout(&[80.0; 30], &needs, METRICS);

            for (a, one) in layout.boxes.iter().enumerate() {
                prop_assert!(one.middle >= METRICS.box_height / 2.0 - 0.001 && one.middle <= layout.height);
                for other in &layout.boxes[a + 1..] {
                    let is_apart = (one.middle - other.middle).abs() >= METRICS.box_height - 0.001;
                    prop_assert!(is_apart || (one.x - other.x).abs() >= 80.0);
                }
            }
        }
    }
}
