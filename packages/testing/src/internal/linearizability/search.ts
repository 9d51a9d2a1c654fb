import type { Claim, State } from "./register.js"
import { step } from "./register.js"

interface Timed {
  readonly claim: Claim
  readonly invoked: number
  readonly responded: number
}

/** An order of some of the events, the last event first, and the digest that the tag points at after them. */
interface Node<E> {
  /** The set of events, with one bit for each. */
  readonly done: bigint
  readonly count: number
  readonly state: State
  readonly last: { readonly event: E; readonly before: Node<E> } | undefined
}

interface Unexplained<E> {
  readonly explained: ReadonlyArray<E>
  readonly unexplained: ReadonlyArray<E>
}

const orderOf = <E>(node: Node<E>): ReadonlyArray<E> => {
  const order: Array<E> = []
  for (let at = node; at.last !== undefined; at = at.last.before) order.push(at.last.event)
  return order.reverse()
}

/**
 * Searches for an order of the events that explains each of them. An event can come next if its request was sent
 * before, or at the time of, the first answer of the remaining events. Events without an answer may be left out.
 */
export const search = <E extends Timed>(
  history: ReadonlyArray<E>,
  maxStates: number
): "explained" | "undecided" | Unexplained<E> => {
  const events = [...history].sort((one, other) => one.invoked - other.invoked)
  const answered = events.reduce(
    (bits, { responded }, index) => responded === Infinity ? bits : bits | (1n << BigInt(index)),
    0n
  )

  const nextOf = ({ done }: Node<E>): ReadonlyArray<readonly [index: number, event: E]> => {
    const next: Array<readonly [number, E]> = []
    let firstAnswer = Infinity
    for (const [index, event] of events.entries()) {
      if (event.invoked > firstAnswer) break
      if ((done & (1n << BigInt(index))) !== 0n) continue
      next.push([index, event])
      firstAnswer = Math.min(firstAnswer, event.responded)
    }
    return next.filter(([, { invoked }]) => invoked <= firstAnswer)
  }

  const seen = new Set<string>()
  let furthest: Node<E> = { done: 0n, count: 0, state: "nothing", last: undefined }
  const stack = [furthest]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if ((node.done & answered) === answered) return "explained"
    if (node.count > furthest.count) furthest = node
    for (const [index, event] of nextOf(node)) {
      const state = step(node.state, event.claim)
      if (state === undefined) continue
      const done = node.done | (1n << BigInt(index))
      const key = `${done.toString(36)} ${state}`
      if (seen.has(key)) continue
      if (seen.size >= maxStates) return "undecided"
      seen.add(key)
      stack.push({ done, count: node.count + 1, state, last: { event, before: node } })
    }
  }
  return { explained: orderOf(furthest), unexplained: nextOf(furthest).map(([, event]) => event) }
}
