// A list of the API, a page of it at a time: the broker filters, sorts and cuts it, so that ten thousand queues cost no
// more than fifty.

import { ApiError, get, query } from "./api.js";
import { h, setText } from "./dom.js";
import { count } from "./format.js";
import { Column, Sorting, Table } from "./table.js";
import { every, View } from "./view.js";

const kPageItems = 50;

interface Paged<Row> {
  items: Row[];
  page: number;
  page_count: number;
  filtered_count: number;
  total_count: number;
}

export interface ListOptions<Row> {
  caption: string;
  address: string;
  columns: Column<Row>[];
  ask: string[]; // the API's columns
  key: (row: Row) => string;
  sorting: Sorting;
  whenEmpty: string;
  everyMs?: number;
  before?: (rows: Row[]) => Promise<void>; // rows are drawn
}

export interface List {
  element: HTMLElement;
  refresh(): void;
}

export function list<Row>(view: View, options: ListOptions<Row>): List {
  let page = 1;
  let sorting = options.sorting;
  const filter = h("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  const table = new Table<Row>(options.caption, options.columns, options.key, options.whenEmpty, (by) => {
    sorting = { by, reverse: sorting.by === by ? !sorting.reverse : false };
    page = 1;
    refresh();
  });
  const told = h("span", { class: "told", role: "status" });
  const back = h("button", { type: "button", onclick: () => turn(-1) }, "Previous");
  const on = h("button", { type: "button", onclick: () => turn(1) }, "Next");
  const pager = h("nav", { class: "pager", "aria-label": `Pages of ${options.caption}`, hidden: true }, back, on);

  let asked = 0;
  const ask = () =>
    get<Paged<Row>>(
      `${options.address}?${query({
        page,
        page_size: kPageItems,
        name: filter.value,
        use_regex: false,
        sort: sorting.by,
        sort_reverse: sorting.reverse,
        columns: options.ask.join(","),
      })}`,
      view.signal,
    );
  const load = async (): Promise<void> => {
    const mine = ++asked;
    const answer = await ask().catch((error: unknown) => {
      // What was on the last page may be gone.
      if (!(error instanceof ApiError && error.status === 400 && page > 1)) throw error;
      page = 1;
      return ask();
    });
    // Answers may overtake one another.
    if (view.signal.aborted || mine !== asked) return;
    await options.before?.(answer.items);
    table.showSorting(sorting);
    table.update(answer.items);
    const all = answer.filtered_count === answer.total_count;
    setText(told, all ? count(answer.total_count) : `${count(answer.filtered_count)} of ${count(answer.total_count)}`);
    pager.hidden = answer.page_count <= 1;
    back.disabled = page <= 1;
    on.disabled = page >= answer.page_count;
  };
  const refresh = () => {
    load().catch((error: unknown) => {
      if (!view.signal.aborted) view.complain(error);
    });
  };
  const turn = (by: number) => {
    page = Math.max(1, page + by);
    refresh();
  };
  filter.addEventListener("input", () => {
    page = 1;
    refresh();
  });
  every(view, options.everyMs ?? 1000, load);
  const search = h("div", { class: "toolbar" }, h("label", {}, "Filter by name ", filter), told, pager);
  return { element: h("div", {}, search, table.element), refresh };
}
