/** The model of the protocol that the emitters work from: what the schema says, in types. */

/** The type of a field, as the schema composes it. */
export type FieldType =
  | { readonly kind: "scalar"; readonly name: string; readonly nullable: boolean }
  | { readonly kind: "enumeration"; readonly name: string; readonly nullable: boolean }
  | { readonly kind: "struct"; readonly name: string }
  | { readonly kind: "list"; readonly item: FieldType }
  | { readonly kind: "dict"; readonly key: FieldType; readonly value: FieldType }
  | { readonly kind: "option"; readonly item: FieldType };

export interface Field {
  readonly name: string;
  readonly type: FieldType;
}

export interface Scalar {
  readonly typescript: string;
  readonly wire: Readonly<Record<string, { readonly encoding: string; readonly minBytes: number }>>;
}

export interface Enumeration {
  readonly description: string;
  readonly wire: Readonly<
    Record<string, { readonly values: Readonly<Record<string, number>> }>
  >;
}

export interface Struct {
  readonly description: string;
  readonly fields: readonly Field[];
}

export interface Packet {
  readonly name: string;
  readonly index: number;
  readonly description: string;
  readonly kind: "request" | "answer" | "notification";
  readonly codes: Readonly<Record<string, number>>;
  /** What the log of a dialect calls it, where that is another name. */
  readonly logNames: Readonly<Record<string, string>>;
  readonly answer: string | null;
  readonly processedWhenClosed: boolean;
  readonly mayBeDelayed: boolean;
  readonly fields: readonly Field[];
}

export interface Flow {
  readonly name: string;
  readonly description: string;
  readonly packets: readonly { readonly packet: Packet; readonly answered: boolean }[];
}

export interface Dialect {
  readonly handshake: string;
  readonly answerBit: number;
  readonly maxBodyBytes: number;
}

export interface Protocol {
  readonly dialects: Readonly<Record<string, Dialect>>;
  readonly scalars: ReadonlyMap<string, Scalar>;
  readonly enumerations: ReadonlyMap<string, Enumeration>;
  readonly structs: ReadonlyMap<string, Struct>;
  readonly errors: Readonly<Record<string, number>>;
  readonly packets: readonly Packet[];
  readonly flows: readonly Flow[];
}
