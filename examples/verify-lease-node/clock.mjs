// What a client believes of its own clock, and how long it waits when a busy host says so (section 7.1).

const HOUR = 3600;
const DAY = 24 * HOUR;
const GAP = 2 * HOUR; // between two looks: more is a jump
const LIVED = 4 * HOUR; // after a jump ahead: so long it must have gone on
const BACK_GRACE = 7 * DAY;
const STEP = 60;

/** The least wait after a problem with Retry-After, in seconds. */
export function toldWait(asked, toldBefore, intervalMin) {
  const least = Math.min(60 * 2 ** Math.min(toldBefore, 16), intervalMin);
  return Math.min(Math.max(asked, least), DAY);
}

/** What is known of the time after the clock has shown these times, one look after the other. */
export function clockAfter(shown, proven, tolerance) {
  const mark = { known: proven, spent: 0, steps: 0, back: null, run: null };
  for (const now of shown) look(mark, now, tolerance);
  const isTurnedBack = shown.at(-1) < mark.known - tolerance;
  const used = mark.spent + mark.steps * Math.max(tolerance, HOUR);
  return {
    known_s: mark.known,
    is_turned_back: isTurnedBack,
    usable_for_s: isTurnedBack ? Math.max(BACK_GRACE - used, 0) : null,
  };
}

function look(mark, now, tolerance) {
  if (mark.run !== null && now < mark.run.ahead - tolerance) takeBack(mark, now, tolerance);
  if (now < mark.known - tolerance) {
    if (mark.back === null || now < mark.back - STEP) mark.steps += 1;
    else mark.spent += Math.min(Math.max(now - mark.back, 0), DAY);
    mark.back = now;
    return;
  }
  mark.back = null;
  if (mark.run === null) {
    if (now - mark.known > GAP) mark.run = { end: now, ahead: now, lived: 0, here: 0, jumps: 0 };
    else mark.known = Math.max(mark.known, now);
  } else if (now > mark.run.ahead) {
    goOn(mark, now);
  }
}

// `end` is the newest time that the clock came to in small steps from its first jump; `ahead` the newest of all.
function goOn(mark, now) {
  const { run } = mark;
  const step = now - run.ahead;
  if (step > GAP) {
    run.here = 0;
    run.jumps += 1;
  } else {
    if (run.end === run.ahead) run.end = now;
    run.lived += step;
    run.here += step;
  }
  run.ahead = now;
  if (run.here >= LIVED) run.end = now;
  else if (run.lived + run.jumps * HOUR < LIVED) return;
  mark.known = run.end;
  mark.run = run.end === now ? null : { end: now, ahead: now, lived: run.here, here: run.here, jumps: 0 };
}

function takeBack(mark, now, tolerance) {
  const { run } = mark;
  if (now >= run.end - tolerance) {
    mark.run = { ...run, ahead: run.end, here: 0 };
  } else {
    mark.known += run.lived; // what was lived there has passed all the same
    mark.run = null;
  }
}
