import type { Descriptor } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"

/** An event of one piece of content, or of the whole copy. */
interface Event {
  readonly _tag: string
  readonly descriptor?: Descriptor.Descriptor
}

/** An event in the queue. Until it is read, newer progress of the same content replaces it. */
interface Queued<A> {
  event: A
  isRead: boolean
}

/** Creates a queue of events that are not read yet. To save memory, it keeps only the newest `Moved` of each content. */
export const make = <A extends Event, E = never>() =>
  Effect.map(Mailbox.make<Queued<A>, E>(), (mailbox) => {
    const moving = new Map<string, Queued<A>>()
    return {
      mailbox,
      add: (event: A): void => {
        const digest = event.descriptor?.digest
        const before = digest === undefined ? undefined : moving.get(digest)
        if (event._tag === "Moved" && before?.isRead === false) {
          before.event = event
          return
        }
        const queued = { event, isRead: false }
        if (digest !== undefined) {
          if (event._tag === "Moved") moving.set(digest, queued)
          else moving.delete(digest)
        }
        mailbox.unsafeOffer(queued)
      }
    }
  })

/** Returns the events as a stream, in order. */
export const stream = <A, E>(mailbox: Mailbox.ReadonlyMailbox<Queued<A>, E>): Stream.Stream<A, E> =>
  Stream.map(Mailbox.toStream(mailbox), (queued) => {
    queued.isRead = true
    return queued.event
  })
